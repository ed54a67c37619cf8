import hashlib

from datasets.core.hashing import sha256_of


def test_a_hash_is_that_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"video" * 999_999)
    shares = []
    found = sha256_of(tmp_path / "a", progress=shares.append)
    assert found == hashlib.sha256(b"video" * 999_999).hexdigest()
    assert shares == sorted(shares)
    assert shares[-1] == 1
