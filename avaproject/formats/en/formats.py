"""Date and time formats of Django pages, such as the admin: ISO 8601."""

DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = "Y-m-d H:i"
