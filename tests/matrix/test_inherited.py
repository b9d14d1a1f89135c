"""What a process that the sweep starts gets of its environment."""

from __future__ import annotations

import json
import sys

import pytest

from matrix import inherited
from matrix.processes import Processes

CREDENTIALS = {
    "GITHUB_TOKEN": "x",
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://example.org",
    "ACTIONS_RUNTIME_TOKEN": "x",
    "ACTIONS_RESULTS_URL": "https://example.org",
    "GITHUB_ENV": "/runner/set_env",
    "AWS_PROFILE": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "HF_TOKEN": "x",
    "HUGGING_FACE_HUB_TOKEN": "x",
    "UV_PUBLISH_TOKEN": "x",
    "UV_PUBLISH_URL": "https://example.org",
    "UV_GITHUB_TOKEN": "x",
    "TWINE_PASSWORD": "x",
    "PGPASSWORD": "x",
    "DB_PASS": "x",
    "GH_PAT": "x",
    "CLIENT_SECRET_2": "x",
    "GOOGLE_APPLICATION_CREDENTIALS": "/home/user/key.json",
    "OPENAI_API_KEY": "x",
    "SOME_APIKEY": "x",
    "PRIVATEKEY": "x",
    "DB_PWD": "x",
    "SSH_KEYS": "x",
    "deploy_key": "x",
    "GPG_PASSPHRASE": "x",
    "DATABASE": "postgres://user:word@host/name",
    "REMOTE": "https://a-token@host/name",
    "MIRROR": "HTTPS://a-token@host/name",
    "REDIS": "redis://:word@host",
}
OF_INDEXES = {
    "UV_INDEX_MINE_USERNAME": "x",
    "UV_INDEX_MINE_PASSWORD": "x",
    "UV_DEFAULT_INDEX": "https://user:word@host/simple",
    "https_proxy": "http://user:word@host",
    "NETRC": "/home/user/netrc",
    "SSH_AUTH_SOCK": "/tmp/agent",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "http.extraheader",
    "GIT_CONFIG_VALUE_0": "Authorization: basic x",
}
OTHERS = {
    "PATH": "/usr/bin",
    "PWD": "/home/user",
    "HF_HOME": "/home/user/hf",
    "CUDA_VISIBLE_DEVICES": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "KEYBOARD": "x",
    "XAUTHORITY": "/home/user/.Xauthority",
    "GIT_AUTHOR_NAME": "x",
    "GITHUB_ACTIONS": "true",
    "UV_CACHE_DIR": "/home/user/uv",
    "UV_KEYRING_PROVIDER": "disabled",
    "UV_INDEX_URL": "https://host/simple",
    "HTTP_PROXY": "http://host:8080",
    "REPOSITORY": "ssh://git@host/name",
}
PRINTED = "import json, os; print(json.dumps(dict(os.environ)))"


def test_what_looks_like_a_credential_is_kept_from_a_process_and_nothing_else():
    given = inherited.without_credentials(CREDENTIALS | OF_INDEXES | OTHERS)
    assert given == OTHERS  # some indexes take a token as the name


def test_uv_gets_the_logins_of_indexes_and_of_git_and_no_other_credential():
    assert inherited.for_uv(CREDENTIALS | OF_INDEXES | OTHERS) == OF_INDEXES | OTHERS


def test_what_looks_at_plugins_gets_where_programs_and_libraries_lie_and_the_language():
    named = {"PATH": "/usr/bin", "LANG": "C", "TMPDIR": "/tmp"}
    assert inherited.for_plugins(CREDENTIALS | OTHERS | named) == named


@pytest.mark.parametrize("chosen", [None, inherited.for_uv], ids=["any process", "uv"])
def test_a_real_process_does_not_see_a_planted_token(monkeypatch, chosen):
    monkeypatch.setenv("PLANTED_TOKEN", "a hidden word")
    monkeypatch.setenv("PLANTED_SETTING", "kept")
    env = chosen() if chosen else None
    done = Processes().run([sys.executable, "-c", PRINTED], env=env)
    assert "a hidden word" not in done.output
    assert json.loads(done.output)["PLANTED_SETTING"] == "kept"
