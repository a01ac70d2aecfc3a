"""Which version answers, while the model's folder changes."""

import contextlib
import os
import shutil
import threading

import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.benchmarks import serving as serving_suite
from tfnoisy.serving.client import client, grpc_client, rest_client
from tfnoisy.serving.loader import messages
from tfnoisy.serving.server import local_server, request_error, served_model

STATE = messages.get_model_status_pb2.ModelVersionStatus.State
IMAGES = {"images": np.zeros([1, 8, 8, 1], np.uint8)}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """An untrained network's version."""
    path = tmp_path_factory.mktemp("models") / "digits"
    serving_suite.export_untrained(path, "small_cnn", (8, 8, 1))
    return path / "1"


@pytest.fixture
def folder(template, tmp_path):
    """A model with version 3."""
    shutil.copytree(template, tmp_path / "digits/3")
    return tmp_path / "digits"


@contextlib.contextmanager
def serving(folder, **options):
    """One that looks for versions only when it is told to."""
    model = served_model.ServedModel(folder, poll_seconds=3600, **options)
    try:
        yield model
    finally:
        model.close()


def states(model):
    return {
        found.version: STATE.Name(found.state)
        for found in model.status(model.name).model_version_status
    }


def empty(path, template):
    path.mkdir()


def a_file(path, template):
    path.write_text("no folder")


def without_variables(path, template):
    shutil.copytree(template, path)
    shutil.rmtree(path / "variables")


def without_assets(path, template):
    shutil.copytree(template, path)
    shutil.rmtree(path / "assets")


def half_a_graph(path, template):
    shutil.copytree(template, path)
    os.truncate(path / "saved_model.pb", 5000)


def an_empty_graph(path, template):
    shutil.copytree(template, path)
    os.truncate(path / "saved_model.pb", 0)


def half_the_variables(path, template):
    shutil.copytree(template, path)
    [data] = (path / "variables").glob("*.data-*")
    os.truncate(data, 100)


def another_file(path, template):
    path.mkdir()
    (path / "saved_model.pb").write_bytes(b"<html>not found</html>" * 100)


DAMAGE = [
    empty,
    a_file,
    without_variables,
    without_assets,
    half_a_graph,
    an_empty_graph,
    half_the_variables,
    another_file,
]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_a_damaged_version_hides_no_good_one(damage, folder, template):
    damage(folder / "4", template)
    with serving(folder) as model:
        assert model.version == 3
        assert model.session.run("serving_uint8", IMAGES)
        model.look_for_versions()
        assert model.version == 3
        # It is mended.
        if (folder / "4").is_dir():
            shutil.rmtree(folder / "4")
        else:
            (folder / "4").unlink()
        shutil.copytree(template, folder / "4")
        model.look_for_versions()
        assert model.version == 4
        assert states(model) == {3: "END", 4: "AVAILABLE"}


@pytest.mark.parametrize("name", ["9" * 19, "9" * 5000, "²", "٣", "+5", "1e3"])
def test_what_is_no_version_hides_none(folder, name):
    with contextlib.suppress(OSError):  # The name is too long.
        (folder / name).mkdir()
    with serving(folder) as model:
        assert model.version == 3


def test_zeros_before_a_version(folder):
    (folder / "3").rename(folder / "0000012")
    with serving(folder) as model:
        assert model.version == 12 and model.path.name == "0000012"


def test_no_good_version_is_a_mistake(folder):
    shutil.rmtree(folder / "3/variables")
    with pytest.raises(errors.UserError, match="cannot load .*digits/3: "):
        served_model.ServedModel(folder)


def test_a_new_version_takes_over_and_the_old_one_finishes(folder, template):
    with serving(folder) as model:
        with model.lease("digits") as old:
            shutil.copytree(template, folder / "5")
            model.look_for_versions()
            with model.lease("digits") as new:
                assert (old.number, new.number) == (3, 5)
                assert old.predict("serving_uint8", IMAGES)
                assert new.predict("serving_uint8", IMAGES)
            assert states(model) == {3: "UNLOADING", 5: "AVAILABLE"}
            with (
                pytest.raises(request_error.RequestError) as caught,
                model.lease("digits", 3),
            ):
                pass
            assert caught.value.code == "NOT_FOUND"
            assert model.status("digits", 3)
        assert states(model) == {3: "END", 5: "AVAILABLE"}
        # Who takes a version back finds the one before.
        shutil.rmtree(folder / "5")
        model.look_for_versions()
        assert model.version == 3
        # Without any, what is in memory goes on.
        shutil.rmtree(folder)
        model.look_for_versions()
        with model.lease("digits") as version:
            assert version.predict("serving_uint8", IMAGES)


def test_a_version_that_failed_is_told(folder, template):
    with serving(folder) as model:
        half_the_variables(folder / "4", template)
        model.look_for_versions()
        [found] = model.status("digits", 4).model_version_status
        assert STATE.Name(found.state) == "END"
        assert "cannot load" in found.status.error_message
        assert "\n" not in found.status.error_message


def test_one_version_is_served_alone(folder, template):
    shutil.copytree(template, folder / "4")
    with serving(folder / "3") as model:
        assert (model.name, model.version) == ("digits", 3)
        model.look_for_versions()
        assert model.version == 3


def test_another_name(folder):
    with serving(folder, name="numbers") as model:
        assert model.name == "numbers"
        with pytest.raises(request_error.RequestError):
            model.status("digits")


@pytest.mark.parametrize("kind", ["grpc", "rest"])
def test_clients_see_no_change_but_the_number(folder, template, kind):
    """Requests without a pause, while two versions come."""
    failures, versions, done = [], set(), threading.Event()
    with local_server.LocalServer(folder, poll_seconds=0.05) as server:
        transport = {
            "grpc": lambda: grpc_client.Grpc(server.grpc_address, "digits"),
            "rest": lambda: rest_client.Rest(server.rest_address, "digits"),
        }[kind]()

        def ask():
            while not done.is_set():
                try:
                    transport.predict(client.PIXELS, IMAGES)
                except Exception as error:
                    failures.append(error)
                versions.add(server.model.version)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        while 3 not in versions and not failures:
            done.wait(0.01)
        for number in ("4", "5"):
            # As a slow copy would: the folder first, its files by and by.
            shutil.copytree(template, folder / number)
            for _ in range(200):
                if server.model.version == int(number):
                    break
                done.wait(0.05)
        done.set()
        for thread in threads:
            thread.join()
        transport.close()
    assert not failures
    assert {3, 5} <= versions
