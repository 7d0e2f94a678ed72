"""What only a server can do to us: be down, slow, full, flushed or locked; each is an error that says so, never a silent null."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

import numpy as np
import pytest
import redis

from features.online import redis_publication as online_redis_publication
from features.online.backend import OnlineGeneration, OnlineStoreError, OnlineStoreMissing, OnlineStoreUnavailable, View
from features.online.packed import PackedSchema, encode
from features.online.reader import OnlineReader
from features.online.redis_server import RedisBackend

SCHEMA = PackedSchema((("trips", "int64"),))
VIEW = View("taxi", "stats", (("driver", "string"),), SCHEMA)
AT = datetime(2024, 1, 5, tzinfo=UTC)
KEYS = [f"key{at:04d}".encode() for at in range(2500)]


def rows(trips: int, event: int = 5, count: int = 1) -> list[bytes]:
    times = np.full(count, event)
    return encode(SCHEMA, [([trips] * count, [False] * count)], times, times)


def generation(release_id: int, count: int) -> OnlineGeneration:
    return OnlineGeneration(release_id, date(2024, 1, 5), AT, ("stats",), AT, count, 0, count)


def write(backend: RedisBackend, trips: int, event: int = 5, keys: list[bytes] = KEYS[:1]) -> None:
    backend.write(VIEW, keys, lambda served, held, known: rows(trips, event, len(keys)), [])


def publish(backend: RedisBackend, release_id: int, trips: int, keys: list[bytes] = KEYS) -> None:
    with backend.publishing([VIEW]) as publication:
        publication.replace_changed(VIEW, keys, rows(trips, release_id, len(keys)))
        publication.keep_only(VIEW, len(keys), lambda: [keys])
        publication.commit(generation(release_id, len(keys)), {"trip": ["stats:trips"]})


def held(backend: RedisBackend, keys: list[bytes] = KEYS) -> set[bytes | None]:
    return set(backend.read([("stats", keys)])[1][0])


@pytest.fixture
def backend(redis_address: str) -> Iterator[RedisBackend]:
    opened = RedisBackend(redis_address, "taxi")
    yield opened
    opened.close()


@pytest.fixture
def server(redis_address: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_address) as client:
        yield client


def test_a_server_that_is_down_is_named_without_its_password() -> None:
    backend = RedisBackend("redis://somebody:secret@127.0.0.1:1/4", "taxi")
    calls: list[Callable] = [
        backend.views,
        backend.generation,
        lambda: backend.read([("stats", KEYS[:1])]),
        lambda: write(backend, 1),
        lambda: publish(backend, 1, 1),
        lambda: OnlineReader(backend, features=["trips"]),
    ]
    for call in calls:
        with pytest.raises(OnlineStoreUnavailable, match=r"redis 127\.0\.0\.1:1/4 cannot be reached: .*; start it") as refused:
            call()
        assert "secret" not in str(refused.value)


def test_a_login_that_is_refused_says_so(redis_address: str) -> None:
    address = redis_address.replace("redis://", "redis://nobody:secret@")
    with pytest.raises(OnlineStoreUnavailable, match=r"refuses the login .*check user and password") as refused:
        RedisBackend(address, "taxi").views()
    assert "secret" not in str(refused.value)


def test_a_slow_server_is_an_error_and_its_late_answer_is_no_answer_to_the_next_question(redis_address: str, backend: RedisBackend) -> None:
    write(backend, 4)
    patient = redis.Redis.from_url(redis_address)
    hurried = RedisBackend(redis_address, "taxi", timeout=0.1)
    assert held(hurried, KEYS[:1]) == {rows(4)[0]}
    sleeping = threading.Thread(target=patient.execute_command, args=("DEBUG", "SLEEP", "0.5"))
    sleeping.start()
    time.sleep(0.1)
    with pytest.raises(OnlineStoreUnavailable, match=r"did not answer in time .*socket_timeout="):
        hurried.read([("stats", KEYS[1:2])])
    sleeping.join()
    assert held(hurried, KEYS[:1]) == {rows(4)[0]}
    patient.close()


def test_connections_that_the_server_closed_are_made_again(backend: RedisBackend, server: redis.Redis) -> None:
    write(backend, 4)
    server.client_kill_filter(_type="normal", skipme=True)
    assert held(backend, KEYS[:1]) == {rows(4)[0]}


def test_a_full_server_refuses_writes_and_goes_on_answering(redis_address: str, backend: RedisBackend, server: redis.Redis) -> None:
    publish(backend, 1, 1, KEYS[:10])
    before = server.config_get("maxmemory")["maxmemory"]
    server.config_set("maxmemory-policy", "noeviction")
    server.config_set("maxmemory", 1)
    try:
        for call in (lambda: write(backend, 2, 6), lambda: publish(backend, 2, 2, KEYS[:10])):
            with pytest.raises(OnlineStoreUnavailable, match=r"is full and may evict nothing, so nothing was written: .*raise maxmemory"):
                call()
        assert held(backend, KEYS[:10]) == {rows(1, 1)[0]}
        opened = RedisBackend(redis_address, "taxi")
        assert OnlineReader(opened, service="trip").read(["a"]).generation == generation(1, 10)
        backend.drop(["stats"])
        assert opened.views() == []
        opened.close()
    finally:
        server.config_set("maxmemory", before)
    publish(backend, 2, 2, KEYS[:10])
    assert held(backend, KEYS[:10]) == {rows(2, 2)[0]}


@pytest.mark.parametrize("lost", ["packed:taxi:rows:stats", ""], ids=["rows evicted", "flushed"])
def test_rows_that_the_server_lost_are_an_error(backend: RedisBackend, server: redis.Redis, lost: str) -> None:
    publish(backend, 1, 1)
    reader = OnlineReader(backend, service="trip")
    server.delete(lost) if lost else server.flushdb()
    with pytest.raises(OnlineStoreMissing, match=r"does not hold the feature view stats .*flushed or evicted"):
        reader.read(["a"])
    publish(backend, 2, 2)
    assert held(backend) == {rows(2, 2)[0]}


def test_an_evicted_view_stays_missing_until_it_is_published_or_applied(backend: RedisBackend, server: redis.Redis) -> None:
    """A row that is written, or a verdict on the generation, must not make all other keys seem unknown."""
    publish(backend, 1, 1, KEYS[:2])
    for mend in (lambda: publish(backend, 1, 1, KEYS[:2]), lambda: backend.declare([VIEW])):
        server.delete("packed:taxi:rows:stats")
        with pytest.raises(OnlineStoreMissing):
            write(backend, 2, 6)
        backend.judge(generation(1, 2), "equal")
        with backend.publishing([]) as publication:
            publication.commit(None, {})
        with pytest.raises(OnlineStoreMissing):
            held(backend)
        mend()
        write(backend, 2, 6)
        assert rows(2, 6)[0] in held(backend, KEYS[:2])


def test_something_else_under_our_names_is_an_error(backend: RedisBackend, server: redis.Redis) -> None:
    publish(backend, 1, 1)
    server.delete("packed:taxi:rows:stats")
    server.set("packed:taxi:rows:stats", "theirs")
    for call in (lambda: held(backend), lambda: write(backend, 1), lambda: publish(backend, 2, 2)):
        with pytest.raises(OnlineStoreUnavailable, match=r"holds something else under a name of ours: .*WRONGTYPE"):
            call()


def test_nothing_of_a_publish_is_seen_before_its_end_and_all_of_it_after(backend: RedisBackend, server: redis.Redis) -> None:
    """Shown rows are read from the overlay; to move them to their place changes nothing that is read, in whatever order."""
    publish(backend, 1, 1)
    with backend.publishing([VIEW]) as publication:
        assert publication.replace_changed(VIEW, KEYS[:2000], rows(1, 2, 1000) + rows(2, 2, 1000)) == 1000
        assert publication.keep_only(VIEW, 2000, lambda: [KEYS[:2000]]) == 500
        assert (held(backend), backend.generation()) == ({rows(1, 1)[0]}, generation(1, 2500))
        publication.commit(generation(2, 2000), {})
        for cursor in (0, 1):
            assert backend.generation() == generation(2, 2000)
            assert held(backend, KEYS[:1000]) == {rows(1, 1)[0]}, "their features are as they were, so they were not written again"
            assert (held(backend, KEYS[1000:2000]), held(backend, KEYS[2000:])) == ({rows(2, 2)[0]}, {None})
            assert sorted(key for key, _ in backend.keys_with_times("stats")) == KEYS[:2000]
            if not cursor:
                names = [backend.key("generations"), backend.key("rows", "stats"), backend.key("overlay", "stats")]
                assert 0 < backend.scripts["settle"](keys=names, args=[cursor, 300])[1] < 1500
    assert server.exists("packed:taxi:overlay:stats", "packed:taxi:staged:stats", "packed:taxi:lock") == 0
    assert server.hlen("packed:taxi:rows:stats") == 2001


def test_writers_see_what_was_shown_and_not_yet_moved(backend: RedisBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(backend, 1, 1, KEYS[:3])
    monkeypatch.setattr(online_redis_publication.RedisPublication, "settle", lambda self: None)
    publish(backend, 2, 2, KEYS[:2])
    for key in KEYS[:3]:
        write(backend, 7, 1, [key])  # older than what is shown of the first two; the third was removed, so that any row is newer
    assert [row == rows(2, 2)[0] for row in backend.read([("stats", KEYS[:3])])[1][0]] == [True, True, False]
    write(backend, 8, 3, KEYS[:1])
    monkeypatch.undo()
    with backend.publishing([VIEW]):
        assert backend.read([("stats", KEYS[:3])])[1][0] == [rows(8, 3)[0], rows(2, 2)[0], rows(7, 1)[0]]


def test_writers_wait_for_a_publish(backend: RedisBackend) -> None:
    done = []
    with backend.publishing([VIEW]) as publication:
        publication.replace_changed(VIEW, KEYS[:1], rows(1, 5))
        waiting = threading.Thread(target=lambda: (write(backend, 2, 6), done.append(time.monotonic())))
        waiting.start()
        time.sleep(0.1)
        publication.commit(generation(1, 1), {})
        shown = time.monotonic()
    waiting.join()
    assert done[0] > shown
    assert held(backend, KEYS[:1]) == {rows(2, 6)[0]}


def test_a_publish_whose_lock_was_lost_shows_nothing(backend: RedisBackend, server: redis.Redis) -> None:
    publish(backend, 1, 1, KEYS[:1])
    with backend.publishing([VIEW]) as publication:
        publication.replace_changed(VIEW, KEYS[:1], rows(2, 2))
        server.delete("packed:taxi:lock")
        with pytest.raises(OnlineStoreUnavailable, match="another publish began"):
            publication.commit(generation(2, 1), {})
    assert (held(backend, KEYS[:1]), backend.generation()) == ({rows(1, 1)[0]}, generation(1, 1))


def test_a_publish_whose_lock_was_lost_leaves_what_another_staged(backend: RedisBackend, server: redis.Redis) -> None:
    publish(backend, 1, 1, KEYS[:1])
    publication = online_redis_publication.RedisPublication(backend, [VIEW], wait=1)
    publication.begin()
    publication.replace_changed(VIEW, KEYS[:1], rows(2, 2))
    server.set("packed:taxi:lock", "elsewhere:1:token")
    with pytest.raises(OnlineStoreUnavailable, match="another publish began"):
        publication.begin()
    publication.end()
    assert (server.exists("packed:taxi:staged:stats"), server.get("packed:taxi:lock")) == (1, b"elsewhere:1:token")


def test_a_living_publisher_is_waited_for_and_a_dead_one_is_not(
    backend: RedisBackend, server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("features.online.redis_server._WAIT_SECONDS", 0.1)
    server.set("packed:taxi:lock", "elsewhere:1:token")
    with pytest.raises(OnlineStoreUnavailable, match="another publish has been going on"):
        publish(backend, 1, 1)
    with pytest.raises(OnlineStoreUnavailable, match="a publish or other writers kept view stats"):
        write(backend, 1)
    host = online_redis_publication.socket.gethostname()
    server.set("packed:taxi:lock", f"{host}:{2**22 + 1}:token")
    publish(backend, 1, 1)
    assert held(backend) == {rows(1, 1)[0]}


def test_what_a_killed_publish_staged_is_never_seen(backend: RedisBackend, server: redis.Redis) -> None:
    server.hset("packed:taxi:staged:stats", mapping={KEYS[0]: rows(9, 9)[0], KEYS[9]: rows(9, 9)[0]})
    publish(backend, 1, 1, KEYS[:2])
    assert (held(backend, KEYS[:2]), held(backend, KEYS[2:])) == ({rows(1, 1)[0]}, {None})


def test_all_errors_of_a_store_are_one_kind() -> None:
    assert issubclass(OnlineStoreMissing, OnlineStoreError)
    assert issubclass(OnlineStoreUnavailable, OnlineStoreError)
