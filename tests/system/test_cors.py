"""Cross-origin rules: the configured origins and nobody else."""
import pytest

GOOD = "https://app.example"


@pytest.fixture(scope="module")
def module_env():
    return {"FRONTEND_ORIGINS": GOOD + ", http://localhost:3000"}


def preflight(client, origin, method="POST",
              headers="authorization, content-type, x-api-type"):
    return client.call("OPTIONS", "/api/plugin-api/chat/completions",
                       headers={"Origin": origin,
                                "Access-Control-Request-Method": method,
                                "Access-Control-Request-Headers": headers})


@pytest.mark.parametrize("origin", [GOOD, "http://localhost:3000"])
def test_preflight_of_a_known_origin(client, origin):
    answer = preflight(client, origin)
    assert answer.status in (200, 204), answer
    assert answer.header("access-control-allow-origin") == origin
    assert answer.header("access-control-allow-credentials") == "true"
    methods = answer.header("access-control-allow-methods")
    assert all(m in methods for m in ("GET", "POST", "PUT", "PATCH",
                                      "DELETE", "OPTIONS"))
    allowed = answer.header("access-control-allow-headers").lower()
    for name in ("authorization", "content-type", "accept", "x-api-type",
                 "x-request-id"):
        assert name in allowed
    assert "origin" in answer.header("vary").lower()


@pytest.mark.parametrize("origin", [
    "https://evil.example", "null", "https://app.example.evil",
    "http://app.example", "https://APP.example.", "https://app.example:444",
    ""])
def test_other_origins_get_nothing(client, origin):
    for answer in (preflight(client, origin),
                   client.get("/api/health", headers={"Origin": origin})):
        assert answer.header("access-control-allow-origin") is None
        assert answer.header("access-control-allow-credentials") is None


def test_headers_are_on_answers_and_errors(client, session):
    for answer in (
            client.get("/api/health", headers={"Origin": GOOD}),
            client.get("/nowhere", headers={"Origin": GOOD}),
            session.get("/api/plugin-api/accounts",
                        headers={"Origin": GOOD})):
        assert answer.header("access-control-allow-origin") == GOOD
        exposed = answer.header("access-control-expose-headers").lower()
        assert "x-request-id" in exposed and "retry-after" in exposed
