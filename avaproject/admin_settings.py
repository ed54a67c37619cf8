"""Settings of the look of the admin."""

from django.templatetags.static import static

INDIGO = {
    "50": "#eef0ff", "100": "#e0e3ff", "200": "#c7cbfe", "300": "#a5a8fc", "400": "#8b8cf8",
    "500": "#6d68f0", "600": "#4f46e5", "700": "#4338ca", "800": "#3730a3", "900": "#312e81",
    "950": "#1e1b4b",
}  # fmt: skip
UNFOLD = {
    "SITE_TITLE": "AVA Studio",
    "SITE_HEADER": "AVA Studio operators",
    "SITE_URL": "/",
    "SITE_ICON": lambda request: static("icons/favicon.svg"),
    "COLORS": {"primary": INDIGO},
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("icons/favicon.svg"),
        }
    ],
}
