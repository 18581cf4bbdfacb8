"""What counts as a secret, and what only looks like one."""

import random

import pytest

from tunedoctor.data.secrets import rules_for, secrets_in
from tunedoctor.tables.secrets import kinds

RANDOM = "".join(
    random.Random(3).choices(  # noqa: S311
        "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=80
    )
)
HELD = {
    "hub token": f"hf_{RANDOM[:34]}",
    "GitHub token": f"ghp_{RANDOM[:36]}",
    "GitLab token": f"glpat-{RANDOM[:20]}",
    "AWS key": "AKIA" + "Q7R2T5W8Z3X6C9V1",
    "Google key": f"AIza{RANDOM[:35]}",
    "API key": f"sk-proj-{RANDOM[:48]}",
    "Slack token": f"xoxb-{RANDOM[:30]}",
    "signed token": f"eyJ{RANDOM[:20]}.eyJ{RANDOM[20:50]}.{RANDOM[50:]}",
    "private key": "-----BEGIN RSA PRIVATE KEY-----",
    "password in an address": "postgres://admin:k3tchUp77@db.firm.net/x",
    "assigned secret": 'db_password = "k3tchUp-77x"',
    "e-mail address": "jane.roe+x@mail.firm.co.uk",
    "card number": "4539 1488 0343 6467",
    "social security number": "536-22-8145",
    "phone number": "+44 20 7946 0958",
    "bank account": "DE89 3704 0044 0532 0130 00",
}  # fmt: skip
PLAIN = [
    "4539 1488 0343 6468", "1234567890123456", "0000 0000 0000 0000", "3.14159265358979323846", "000-12-3456",
    "user@example.com", "you@test", "sk-learn-and-other-libraries-of-python", 'password = "changeme"', "https://host:8080/a@b",
    "DE89 3704 0044 0532 0130 01", "hf_short", "2024-01-01 12:00:00", "1 + 2 = 3", "GB12345678", 'password="<password>"',
    "9789295055025", "192.168.100.200", "password = get_password2(user)", "api_key=os.environ['KEY1']", "PASSWORD=changeme",
    "max_new_tokens: 1234567890", "secret: see the chapter 12abcdef", "token = tokens2ids.lookup", "415-555-01234",
    "1-415-555-0132-77", "ISBN 978-0-306-40615-7", "secret_name=projects/p1/secrets/db-1",
]  # fmt: skip


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize(
    "around", ["{}", "It is {}, he said.", "a\n{}\nb", "word " * 200 + "{} " + "word " * 200]
)
def test_held(name: str, around: str) -> None:
    text = around.format(HELD[name])
    found = secrets_in(text, rules_for(text.encode()))
    assert [said.partition(",")[0] for _, said in found] == [name]
    assert HELD[name] not in str(found)


@pytest.mark.parametrize(("text", "name"), [
    ("DB_PASSWORD=k3tchUp-77x", "assigned secret"),
    ("HF_TOKEN: a81kdm2kz9v0", "assigned secret"),
    ("aws_secret_access_key = wJ4lrXUtnFEMI/K7MDENG/bPxRf1CYZQ", "assigned secret"),
    ("(415) 555-0132", "phone number"),
    ("415-555-0132", "phone number"),
])  # fmt: skip
def test_other_ways_to_write_them(text: str, name: str) -> None:
    found = secrets_in(f"It is {text} there.", rules_for(text.encode()))
    assert [said.partition(",")[0] for _, said in found] == [name]


@pytest.mark.parametrize("text", PLAIN)
def test_plain(text: str) -> None:
    assert secrets_in(f"It is {text} there.", kinds("data")) == []
