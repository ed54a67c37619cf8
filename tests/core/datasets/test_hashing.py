import hashlib

from datasets.core.hashing import sha256_of


def test_a_hash_is_that_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"film" * 999_999)
    told = []
    found = sha256_of(tmp_path / "a", progress=told.append)
    assert found == hashlib.sha256(b"film" * 999_999).hexdigest()
    assert told == sorted(told)
    assert told[-1] == 1
