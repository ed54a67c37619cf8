"""Sizes of files as text, in units of 1024 as the `size` filter of templates has them."""

UNITS = ("KB", "MB", "GB", "TB", "PB")


def size_text(size: float) -> str:
    """Bytes, 0 or more, for sentences, with the largest unit that fits.

    >>> size_text(0), size_text(1), size_text(2000), size_text(512 << 20)
    ('0 bytes', '1 byte', '2 KB', '512 MB')
    >>> size_text(5_230_000_000), size_text((1 << 20) - 1)
    ('4.9 GB', '1 MB')
    """
    if size < 1024:
        return "1 byte" if size == 1 else f"{size:.0f} bytes"
    power = 1
    while round(size / 1024**power, 1) >= 1024 and power < len(UNITS):
        power += 1
    return f"{size / 1024**power:.1f}".removesuffix(".0") + f" {UNITS[power - 1]}"
