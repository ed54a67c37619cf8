"""The list of all kinds of corruption of a release, by name."""

from tests.core.qc.release.corruptions import content as content
from tests.core.qc.release.corruptions import media as media
from tests.core.qc.release.corruptions import other_formats as other_formats
from tests.core.qc.release.corruptions import text_formats as text_formats
from tests.core.qc.release.corruptions.kinds import CORRUPTIONS as CORRUPTIONS
