"""Retention of what the installation itself keeps about log-ins.

Files of work, uploads and deliveries are removed by the steps that make them.
"""

from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef
from django.utils import timezone


def delete_ended_sessions() -> int:
    """Delete sessions that have ended, and log-ins that are kept no longer; return how many."""
    now = timezone.now()
    ended = Session.objects.filter(expire_date__lt=now)
    old_log_ins = AccessLog.objects.filter(attempt_time__lt=now - settings.KEEP_LOG_INS)
    # Others count for `AXES_COOLOFF_TIME`; then axes deletes them at the next wrong password.
    old_attempts = AccessAttempt.objects.filter(attempt_time__lt=now - settings.KEEP_LOG_INS)
    count = sum(rows.delete()[0] for rows in (ended, old_log_ins, old_attempts))
    known = Session.objects.filter(session_key=OuterRef("session_key"))
    return count + UserSession.objects.exclude(Exists(known)).delete()[0]
