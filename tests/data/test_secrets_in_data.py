"""Secrets and personal data in training data are found, look-alikes are not."""

import pytest

from tunedoctor.data.examine import secrets_in
from tunedoctor.tables.secrets import kinds

KINDS = kinds("data")


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        (
            "It is hf_oGwKLdaYpo9BYCMiM2ETPdUJsb2BR3R5xW, he said.",
            "secret",
            "hub token, 37 characters",
        ),
        (
            "It is ghp_oGwKLdaYpo9BYCMiM2ETPdUJsb2BR3R5xWA6, he said.",
            "secret",
            "GitHub token, 40 characters",
        ),
        ("It is glpat-oGwKLdaYpo9BYCMiM2ET, he said.", "secret", "GitLab token, 26 characters"),
        ("It is AKIAQ7R2T5W8Z3X6C9V1, he said.", "secret", "AWS key, 20 characters"),
        (
            "It is AIzaoGwKLdaYpo9BYCMiM2ETPdUJsb2BR3R5xWA, he said.",
            "secret",
            "Google key, 39 characters",
        ),
        (
            "It is sk-proj-oGwKLdaYpo9BYCMiM2ETPdUJsb2BR3R5xWA63fhn8zLsDwvJ, he said.",
            "secret",
            "API key, 56 characters",
        ),
        (
            "It is xoxb-oGwKLdaYpo9BYCMiM2ETPdUJsb2BR3, he said.",
            "secret",
            "Slack token, 35 characters",
        ),
        (
            "It is eyJoGwKLdaYpo9BYCMiM2ET.eyJPdUJsb2BR3R5xWA63fhn8zLsDwvJJ4.P5Z9Pj274HRnYHrdZ9fWyirU2cLcRt, he said.",
            "secret",
            "signed token, 88 characters",
        ),
        ("It is -----BEGIN RSA PRIVATE KEY-----, he said.", "secret", "private key, 31 characters"),
        (
            "It is postgres://admin:k3tchUp77@db.firm.net/x, he said.",
            "secret",
            "password in an address, 38 characters",
        ),
        ('It is db_password = "k3tchUp-77x", he said.', "secret", "assigned secret, 27 characters"),
        ("It is jane.roe+x@mail.firm.co.uk, he said.", "personal", "e-mail address, 26 characters"),
        ("It is 4539 1488 0343 6467, he said.", "personal", "card number, 19 characters"),
        ("It is 536-22-8145, he said.", "personal", "social security number, 11 characters"),
        ("It is +44 20 7946 0958, he said.", "personal", "phone number, 16 characters"),
        ("It is DE89 3704 0044 0532 0130 00, he said.", "personal", "bank account, 27 characters"),
    ],
)
def test_a_secret_is_found_and_named(text, kind, found):
    result = secrets_in(text, KINDS)
    assert len(result) == 1
    assert result[0] == (kind, found)


@pytest.mark.parametrize(
    "text",
    [
        "It is 4539 1488 0343 6468 there.",
        "It is 1234567890123456 there.",
        "It is 0000 0000 0000 0000 there.",
        "It is 3.14159265358979323846 there.",
        "It is 000-12-3456 there.",
        "It is user@example.com there.",
        "It is you@test there.",
        "It is sk-learn-and-other-libraries-of-python there.",
        'It is password = "changeme" there.',
        "It is https://host:8080/a@b there.",
        "It is DE89 3704 0044 0532 0130 01 there.",
        "It is hf_short there.",
        "It is 2024-01-01 12:00:00 there.",
        "It is 1 + 2 = 3 there.",
        "It is GB12345678 there.",
        'It is password="<password>" there.',
        "It is 9789295055025 there.",
        "It is 192.168.100.200 there.",
        "It is password = get_password2(user) there.",
        "It is api_key=os.environ['KEY1'] there.",
        "It is PASSWORD=changeme there.",
        "It is max_new_tokens: 1234567890 there.",
        "It is secret: see the chapter 12abcdef there.",
        "It is token = tokens2ids.lookup there.",
        "It is 415-555-01234 there.",
        "It is 1-415-555-0132-77 there.",
        "It is ISBN 978-0-306-40615-7 there.",
        "It is secret_name=projects/p1/secrets/db-1 there.",
    ],
)
def test_a_look_alike_is_no_secret(text):
    assert secrets_in(text, KINDS) == []
