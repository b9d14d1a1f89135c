from make_checkpoints import ASSETS
from units.sound import backends, read


def test_a_file_is_read_at_16_khz():
    assert read(ASSETS / "tone.wav").shape[0] == 1
    assert backends()
