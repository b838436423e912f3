"""A planner behind HTTP: the same grasps, refusals in words, nothing that a stranger can break."""

import contextlib
import http.client
import json
import re
import socket
import threading

import numpy as np
import pytest

from equigrasp import plan_anywhere
from equigrasp.data.files import pack_arrays
from equigrasp.hand import load_hand
from equigrasp.perception.camera import fixed_view
from equigrasp.serving import server as serving
from equigrasp.serving import wire
from equigrasp.serving.client import PlannerClient, ServerError
from equigrasp.serving.server import PlannerServer
from equigrasp.serving.wire import CONTENT, pack_request
from equigrasp.wanted import Wanted


@pytest.fixture
def serve():
    """Serves planners until the test is over; gives a client of each."""
    running = []

    def start(planner, **options):
        server = PlannerServer(planner, port=0, **options)
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        running.append((server, thread))
        return PlannerClient(server.address, timeout=30)

    yield start
    for server, thread in running:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()


def post(client, body, kind=CONTENT, path="/plan", length=None):
    """Status and answer to raw bytes."""
    connection = http.client.HTTPConnection(client.address.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", path)
    connection.putheader("Content-Type", kind)
    if length is not False:
        connection.putheader("Content-Length", str(len(body) if length is None else length))
    connection.endheaders()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.send(body)  # else it was refused before all was sent
    answer = connection.getresponse()
    values = json.load(answer)
    connection.close()
    return answer.status, values.get("error", "")


def same(remote, local):
    np.testing.assert_allclose(remote.poses, local.poses, atol=1e-9)
    np.testing.assert_allclose(remote.scores, local.scores)
    np.testing.assert_allclose(remote.widths, local.widths)


def test_a_server_gives_the_plans_of_its_planner(serve, blob_planner, camera, depth_image):
    planner = blob_planner()
    client, depth = serve(planner), depth_image()
    local = planner.plan(depth, camera, fixed_view())
    remote = client.plan(depth, camera, fixed_view())
    assert len(remote) == len(local) > 1
    same(remote, local)
    assert (remote.reason, remote.told["dropped"]) == (local.reason, local.dropped)
    np.testing.assert_allclose(remote.clearances, local.clearances)
    np.testing.assert_allclose(remote.retreats(), local.retreats(), atol=1e-9)
    assert client.about()["hand"] == "panda"


def test_options_go_along(serve, blob_planner, camera, depth_image):
    planner = blob_planner()
    client, depth = serve(planner), depth_image()
    view = depth, camera, fixed_view()
    mask = np.zeros(depth.shape, bool)
    mask[:, :150] = True
    wanted = Wanted(region=((0, 0, 0), (0.15, 0.3, 0.3)), forbidden=[((1, 0, 0), 0.2)])
    first = planner.plan(*view)[0]
    for options in (
        {"mask": mask},
        {"wanted": wanted},
        {"avoid": [first]},
        {"max_grasps": 1},
    ):
        local = planner.plan(*view, **options)
        assert len(local) > 0
        same(client.plan(*view, **options), local)
    same(client.plan(*view, box=(0, 0, 150, 240)), planner.plan(*view, mask=(0, 0, 150, 240)))
    assert "measures" in client.plan(*view, time_budget=1e-6).told["shortened"]
    steps = np.round(depth / 0.0001).astype(np.uint16)
    metres = (steps * 0.0001).astype(np.float32)
    same(client.plan(steps, *view[1:], depth_scale=0.0001), planner.plan(metres, *view[1:]))
    stacked = np.stack([depth, depth]), [camera, camera], np.stack([fixed_view()] * 2)
    same(client.plan(*stacked), planner.plan(*stacked))


def test_without_a_pose_the_table_is_found(serve, blob_planner, camera, depth_image):
    planner = blob_planner()
    remote = serve(planner).plan(depth_image(), camera)
    local = plan_anywhere(planner, depth_image(), camera)
    same(remote, local)
    np.testing.assert_allclose(remote.up, local.up)
    assert remote.told["assumed"] == list(local.assumed)


def test_a_client_that_was_told_another_hand_is_refused(serve, blob_planner, camera, depth_image):
    hand = load_hand("robotiq_2f85")
    client = serve(blob_planner(hand=hand))
    assert client.about()["hand"] == hand.name
    with pytest.raises(ServerError, match="for the hand 'robotiq_2f85'.* told 'panda'"):
        client.plan(depth_image(), camera, fixed_view())
    plan = PlannerClient(client.address, hand=hand).plan(depth_image(), camera, fixed_view())
    assert plan.hand == hand
    assert len(plan) > 1


def test_what_a_planner_refuses_is_refused_in_its_words(serve, blob_planner, camera, depth_image):
    client = serve(blob_planner())
    with pytest.raises(ValueError, match="T_world_camera"):
        client.plan(depth_image(), camera, np.zeros((4, 4)))
    with pytest.raises(ValueError, match="mask has shapes"):
        client.plan(depth_image(), camera, fixed_view(), mask=np.ones((3, 3), bool))
    with pytest.raises(ValueError, match="unknown options"):
        client.plan(depth_image(), camera, fixed_view(), speed=3)
    with pytest.raises(ValueError, match="max_grasps"):
        client.plan(depth_image(), camera, fixed_view(), max_grasps=0)
    assert len(client.plan(depth_image(), camera, fixed_view())) > 0  # it lives on


BROKEN = {
    "no zip": (b"hello", "torn or foreign"),
    "half a zip": (pack_arrays({"depth": np.zeros((40, 40))})[:-30], "torn or foreign"),
    "no camera": (pack_arrays({"depth": np.zeros((4, 4))}), "needed are depth and intrinsics"),
    "objects": (
        pack_arrays({"depth": np.zeros((4, 4)), "intrinsics": np.zeros(6), "code": np.zeros(1)}),
        "arrays are",
    ),
    "a short camera": (
        pack_arrays({"depth": np.zeros((4, 4)), "intrinsics": np.zeros(3)}),
        r"give \(6,\)",
    ),
    "options that are no JSON": (
        pack_arrays(
            {
                "depth": np.zeros((4, 4)),
                "intrinsics": np.ones(6),
                "options": np.frombuffer(b"{" * 9000, np.uint8),
            }
        ),
        "no JSON",
    ),
    "options that nobody knows": (
        pack_arrays(
            {
                "depth": np.zeros((4, 4)),
                "intrinsics": np.ones(6),
                "options": np.frombuffer(b'{"strict": true}', np.uint8),
            }
        ),
        "known are",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_request_is_refused_in_a_sentence(serve, blob_planner, name):
    body, sentence = BROKEN[name]
    status, said = post(serve(blob_planner()), body)
    assert status == 400
    assert re.search(sentence, said), said
    assert len(said) < 600


def test_arrays_that_unpack_to_too_much_are_not_unpacked(serve, blob_planner, monkeypatch):
    monkeypatch.setattr(wire, "MOST_UNPACKED", 1 << 20)
    body = pack_arrays({"depth": np.zeros((1000, 1000)), "intrinsics": np.zeros(6)})
    assert len(body) < 1 << 16
    status, said = post(serve(blob_planner()), body)
    assert status == 400
    assert "claim 8000304 bytes; the limit is 1048576" in said


def test_limits_are_kept(serve, blob_planner, camera, depth_image):
    client = serve(blob_planner(), most_bytes=1000)
    body = pack_request(depth_image(), camera, fixed_view())
    assert post(client, body)[0] == 413
    assert post(client, b"", length=10**12)[0] == 413
    assert post(client, b"{}", kind="application/json")[0] == 415
    assert post(client, b"{}", path="/shell")[0] == 404
    assert post(client, b"", length=False)[0] == 411
    assert post(client, b"", length="-5")[0] == 411
    with pytest.raises(ServerError, match="limit is 1000"):
        client.plan(depth_image(), camera, fixed_view())


def test_a_fault_of_the_planner_is_told_and_survived(serve, blob_planner, camera, depth_image):
    planner = blob_planner()
    client, plan = serve(planner), planner.plan

    def fail(*_, **__):
        raise ZeroDivisionError("by nothing")

    planner.plan = fail
    with pytest.raises(ServerError, match="the planner failed: ZeroDivisionError: by nothing"):
        client.plan(depth_image(), camera, fixed_view())
    planner.plan = plan
    assert len(client.plan(depth_image(), camera, fixed_view())) > 0


def test_one_plan_at_a_time_and_too_many_are_sent_away(
    serve, blob_planner, camera, depth_image, monkeypatch
):
    monkeypatch.setattr(serving, "WAITING", 1)
    planner = blob_planner()
    client, plan = serve(planner), planner.plan
    begun, go_on, inside, answers = threading.Event(), threading.Event(), [], []

    def slow(*args, **options):
        inside.append(1)
        begun.set()
        assert go_on.wait(20)
        inside.pop()
        assert not inside  # nobody else came in
        return plan(*args, **options)

    planner.plan = slow

    def ask():
        answers.append(len(client.plan(depth_image(), camera, fixed_view())))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert begun.wait(20)
    while client_places(serve) > 0:  # until the second waits
        threading.Event().wait(0.01)
    with pytest.raises(ServerError, match="wait already"):
        client.plan(depth_image(), camera, fixed_view())
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert len(answers) == 2
    assert min(answers) > 0


def client_places(serve):
    """Free places of the only server."""
    (server, _), *_ = serve.__closure__[0].cell_contents
    return server._places._value


def test_a_client_that_falls_silent_is_left(serve, blob_planner, monkeypatch, camera, depth_image):
    monkeypatch.setattr(serving._Handler, "timeout", 0.3)
    client = serve(blob_planner())
    host, port = client.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as quiet:
        head = f"POST /plan HTTP/1.1\r\nContent-Type: {CONTENT}\r\nContent-Length: 500\r\n\r\n"
        quiet.sendall(head.encode() + b"half")
        assert quiet.recv(100) == b""  # it hangs up
    assert len(client.plan(depth_image(), camera, fixed_view())) > 0


def test_a_server_that_is_not_there_or_no_planner(monkeypatch):
    with pytest.raises(ServerError, match="does not answer"):
        PlannerClient("http://127.0.0.1:9", timeout=5).about()
    with pytest.raises(ValueError, match="http://HOST:PORT"):
        PlannerClient("127.0.0.1:9")
