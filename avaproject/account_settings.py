"""Settings of accounts that no deployment changes: log-in, second factors, passwords.

Who may sign up, and how often somebody may log in, is decided in
`avaproject/account_adapters.py` and `avaproject/log_in_limits.py`.
"""

from datetime import timedelta

ACCOUNT_ADAPTER = "avaproject.account_adapters.AccountAdapter"
ACCOUNT_FORMS = {"login": "avaproject.account_forms.LogInForm"}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # accounts come from invitations, and need no address
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900  # seconds after the password, to change how one logs in
# Wrong passwords are counted by django-axes alone: two limits would lock out who knows theirs.
ACCOUNT_RATE_LIMITS = {"login": "", "login_failed": "", "reauthenticate": ""}
ACCOUNT_EMAIL_SUBJECT_PREFIX = "AVA Studio: "
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # nobody has e-mail sent to strangers from here
ACCOUNT_MAX_EMAIL_ADDRESSES = 3

MFA_ADAPTER = "avaproject.account_adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "AVA Studio"
MFA_TOTP_TOLERANCE = 1  # codes before and after the current one: clocks differ

SOCIALACCOUNT_ADAPTER = "avaproject.account_adapters.SingleSignOnAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_OPENID_CONNECT_URL_PREFIX = "oidc"

USERSESSIONS_TRACK_ACTIVITY = False  # would write a row with every request

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# Argon2id with the parameters of OWASP's cheat sheet; other hashes are renewed at log-in.
PASSWORD_HASHERS = [
    "avaproject.log_in_limits.Argon2",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AXES_HANDLER = "avaproject.log_in_limits.LogInLimits"
AXES_FAILURE_LIMIT = 100  # per cent of each limit there
AXES_VERBOSE = False
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
