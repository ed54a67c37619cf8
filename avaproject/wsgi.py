"""The WSGI application, as workers/web_server.py serves it."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avaproject.settings")

application = get_wsgi_application()
