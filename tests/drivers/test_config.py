"""devices.toml: what is understood, and what each mistake is answered with."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from drivers.config import (
    Camera,
    ConfigError,
    DeviceConfig,
    ManualOptions,
    MarlinOptions,
    MoonrakerOptions,
    OctoPrintOptions,
    PrusaLinkOptions,
    Secret,
    load,
    load_whole,
    parse,
)
from drivers.config.own_keys import KEYS

HERE = Path("/lab/devices.toml")
ROOT = Path(__file__).resolve().parents[2]


def only(text: str, **environ: str) -> DeviceConfig:
    (device,) = parse(text, HERE, environ=environ).values()
    return device


def test_a_marlin_table_gives_typed_options_with_defaults() -> None:
    device = only('[devices.mk3s]\ndriver = "marlin"\nport = "/dev/ttyUSB0"\nserial_number = "CZ1"')
    assert device.name == "mk3s"
    assert device.options == MarlinOptions(port="/dev/ttyUSB0", baud=115200)
    assert (device.mock, device.speed, device.serial_number, device.source) == (False, 1.0, "CZ1", HERE)


def test_a_mock_takes_a_speed_and_no_port() -> None:
    device = only('[devices.demo]\ndriver = "marlin"\nmock = true\nspeed = 200')
    assert device.mock
    assert device.speed == 200.0
    assert device.options == MarlinOptions()


def test_a_manual_table_may_say_how_long_work_takes() -> None:
    assert only('[devices.a]\ndriver = "manual"').options == ManualOptions()
    assert only('[devices.a]\ndriver = "manual"\nestimate_s = 60').options == ManualOptions(estimate_s=60.0)


OCTO = '[devices.o]\ndriver = "octoprint"\nurl = "http://octopi.local:5000/"\n'


def test_an_api_key_may_stand_in_the_file_or_in_the_environment() -> None:
    expected = OctoPrintOptions(url="http://octopi.local:5000", api_key=Secret("K1"))
    assert only(OCTO + 'api_key = "K1"').options == expected
    assert only(OCTO + 'api_key_env = "OCTO"', OCTO="K1").options == expected


def test_an_api_key_file_is_looked_for_beside_devices_toml(tmp_path: Path) -> None:
    (tmp_path / "o.key").write_text("K2\n")
    (tmp_path / "devices.toml").write_text(OCTO + 'api_key_file = "o.key"')
    options = load(tmp_path / "devices.toml")["o"].options
    assert isinstance(options, OctoPrintOptions)
    assert options.api_key.reveal() == "K2"


def test_a_secret_never_shows_itself() -> None:
    device = only(OCTO + 'api_key = "hunter2"')
    assert "hunter2" not in f"{device!r} {device} {device.options!r} {Secret('hunter2')}"
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_fingerprints_are_equal_for_equal_settings_only() -> None:
    text = '[devices.demo]\ndriver = "marlin"\nmock = true\nspeed = {}'
    assert only(text.format(2)).fingerprint == only(text.format(2)).fingerprint
    assert only(text.format(2)).fingerprint != only(text.format(3)).fingerprint


def test_an_empty_file_has_no_devices() -> None:
    assert parse("", HERE) == {}


MISTAKES = {
    "not toml": ("devices = ?\n", ["not valid TOML", "line 1"]),
    "foreign table": ("[printers.a]\n", ["[printers]", "[devices.NAME]"]),
    "devices is a value": ("devices = 3", ["devices", "[devices.NAME]"]),
    "device is a value": ("[devices]\na = 3", ["[devices.a]", "must be a table"]),
    "bad name": ('[devices."../x"]\ndriver="manual"', ["[devices.../x]", "rename"]),
    "no driver": ("[devices.a]\n", ["[devices.a]", "driver: missing", "marlin"]),
    "unknown driver": ('[devices.a]\ndriver="merlin"', ["driver: 'merlin'", "marlin"]),
    "driver not text": ("[devices.a]\ndriver=[1]", ["driver: [1]"]),
    "misspelt key": ('[devices.a]\ndriver="marlin"\nbuad=1', ["buad: unknown key", "did you mean baud?"]),
    "foreign key": ('[devices.a]\ndriver="manual"\nxyzzy=1', ["xyzzy: unknown key", "estimate_s"]),
    "wrong type": (
        '[devices.a]\ndriver="marlin"\nport="/dev/a"\nbaud="x"',
        ["baud: expected `int`, got `str`"],
    ),
    "no port": ('[devices.a]\ndriver="marlin"', ["port: missing", "/dev/serial/by-id/"]),
    "relative port": ('[devices.a]\ndriver="marlin"\nport="ttyUSB0"', ["port: 'ttyUSB0'", "absolute"]),
    "odd baud": ('[devices.a]\ndriver="marlin"\nport="/dev/a"\nbaud=7', ["baud: 7", "115200"]),
    "no g-code": ('[devices.a]\ndriver="marlin"\nport="/dev/a"\non_pause=["G1\\n"]', ["on_pause: 'G1"]),
    "mock with port": ('[devices.a]\ndriver="marlin"\nmock=true\nport="/dev/a"', ["port: a mock"]),
    "mock without a mock": (
        '[devices.a]\ndriver="manual"\nmock=true',
        ["mock: the manual driver has no mock"],
    ),
    "speed of a real machine": ('[devices.a]\ndriver="manual"\nspeed=2', ["speed: only a mock"]),
    "absurd speed": ('[devices.a]\ndriver="marlin"\nmock=true\nspeed=0', ["speed: 0", "0.1"]),
    "speed is not a number": ('[devices.a]\ndriver="marlin"\nmock=true\nspeed=nan', ["speed: nan"]),
    "absurd estimate": ('[devices.a]\ndriver="manual"\nestimate_s=-1', ["estimate_s: must be"]),
    "no url": ('[devices.a]\ndriver="octoprint"\napi_key="k"', ["url: missing"]),
    "bad url": ('[devices.a]\ndriver="octoprint"\napi_key="k"\nurl="ftp://x"', ["url: must be http"]),
    "no key": (OCTO, ["[devices.o]", "api_key: missing", "api_key_file"]),
    "two keys": (OCTO + 'api_key="a"\napi_key_env="b"', ["given 2 times (api_key, api_key_env)"]),
    "key file missing": (OCTO + 'api_key_file="no.key"', ["api_key_file: /lab/no.key cannot be read"]),
    "variable not set": (
        OCTO + 'api_key_env="OCTO"',
        ["api_key_env: holds no usable key", "set the variable OCTO"],
    ),
    "key with a blank": (OCTO + 'api_key="a b"', ["api_key: holds no usable key"]),
}


@pytest.mark.parametrize(("text", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_answered_with_file_place_and_remedy(text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, HERE, environ={})
    assert str(caught.value).startswith("/lab/devices.toml: ")
    for word in words:
        assert word in str(caught.value)


def test_a_password_in_a_url_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ConfigError) as caught:
        parse('[devices.a]\ndriver="octoprint"\napi_key="k"\nurl="http://me:hunter2@x"', HERE)
    assert "hunter2" not in str(caught.value)


def test_two_machines_on_one_port_are_named_both_even_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "tty").write_text("")
    (tmp_path / "by-id").symlink_to(tmp_path / "tty")
    text = "".join(
        f'[devices.{name}]\ndriver = "marlin"\nport = "{tmp_path / port}"\n'
        for name, port in {"a": "tty", "b": "by-id"}.items()
    )
    with pytest.raises(ConfigError, match=r"\[devices.a\] and \[devices.b\]: port: both name .*/tty"):
        parse(text, HERE)


def test_mocks_and_other_kinds_of_machines_share_no_port() -> None:
    text = (
        "".join(f'[devices.{n}]\ndriver = "marlin"\nmock = true\n' for n in "ab")
        + '[devices.c]\ndriver="manual"'
    )
    assert list(parse(text, HERE)) == ["a", "b", "c"]


def test_a_missing_file_says_what_to_copy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file; copy devices\.example\.toml"):
        load(tmp_path / "devices.toml")


def test_a_folder_in_place_of_the_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_a_file_that_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "devices.toml")


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigError, match="larger than 1 MB"):
        load(tmp_path / "devices.toml")


def test_the_example_file_is_valid_and_shows_every_driver(tmp_path: Path) -> None:
    text = (ROOT / "devices.example.toml").read_text()
    live = load(ROOT / "devices.example.toml")
    assert {d.driver for d in live.values()} == {"marlin", "manual"}
    uncommented = "\n".join(line.removeprefix("# ") if _is_toml(line) else line for line in text.splitlines())
    for secret in ("ender.key", "voron.key", "mk4.password"):
        (tmp_path / secret).write_text("KEY")
    everything = parse(uncommented, tmp_path / "devices.toml")
    assert {d.driver for d in everything.values()} == set(KEYS)
    for key in (
        "faults",
        "camera",
        "password_env",
        "port",
        "baud",
        "mock",
        "speed",
        "api_key_file",
        "api_key_env",
        "api_key",
        "estimate_s",
        "on_pause",
        "on_resume",
        "on_cancel",
        "quick_stop",
        "kill",
        "serial_number",
    ):
        assert key in text


def test_the_hosts_of_cameras_are_told_in_small_letters_and_without_brackets(tmp_path: Path) -> None:
    file = tmp_path / "devices.toml"
    file.write_text('[cameras]\nhosts = ["OctoPi.local", "[::1]"]\n[devices.sewing]\ndriver = "manual"\n')
    devices, hosts = load_whole(file)
    assert (list(devices), hosts) == (["sewing"], {"octopi.local", "::1"})


def _is_toml(line: str) -> bool:
    if not re.match(r"# (\[devices\.|[a-z_]+ = )", line):
        return False
    tomllib.loads(line.removeprefix("# "))
    return True


def test_every_driver_but_manual_has_a_mock_that_brings_its_own_address() -> None:
    for driver in ("marlin", "grbl", "octoprint", "moonraker", "prusalink"):
        device = only(f'[devices.a]\ndriver = "{driver}"\nmock = true\nfaults = ["busy:60@300"]')
        assert (device.mock, device.faults) == (True, ("busy:60@300",))
        assert not getattr(device.options, "url", "")
        assert not getattr(device.options, "port", "")


def test_a_moonraker_needs_no_key_and_a_prusalink_exactly_one_way_in(tmp_path: Path) -> None:
    url = 'url = "http://voron.local:7125/"\n'
    moonraker = only(f'[devices.a]\ndriver = "moonraker"\n{url}').options
    assert moonraker == MoonrakerOptions(url="http://voron.local:7125")
    digest = only(f'[devices.a]\ndriver = "prusalink"\n{url}password_env = "P"', P="secret").options
    assert digest == PrusaLinkOptions(url="http://voron.local:7125", user="maker", password=Secret("secret"))
    keyed = only(f'[devices.a]\ndriver = "prusalink"\n{url}api_key = "K"').options
    assert keyed == PrusaLinkOptions(url="http://voron.local:7125", api_key=Secret("K"))
    for both in ("", 'password = "p"\napi_key = "k"'):
        with pytest.raises(ConfigError, match="give either password_file"):
            only(f'[devices.a]\ndriver = "prusalink"\n{url}{both}')
    with pytest.raises(ConfigError, match="user: must be plain ASCII"):
        only(f'[devices.a]\ndriver = "prusalink"\n{url}password = "p"\nuser = "a:b"')


CAMERA = '[cameras]\nhosts = ["octopi.local", "[fe80::1]"]\n[devices.o]\ndriver = "manual"\n'


def test_a_camera_may_only_stand_on_an_allowed_host() -> None:
    device = only(CAMERA + 'camera = { snapshot = "http://octopi.local/webcam/?action=snapshot" }')
    assert device.camera == Camera(snapshot="http://octopi.local/webcam/?action=snapshot")
    assert only(CAMERA + 'camera = { stream = "http://[fe80::1]:8080/s" }').camera is not None
    with pytest.raises(ConfigError, match=r"camera: 10\.0\.0\.9 is not among the hosts of \[cameras\]"):
        only(CAMERA + 'camera = { snapshot = "http://10.0.0.9/" }')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CAMERA + "camera = {}", "names no picture"),
        (CAMERA + 'camera = { snapshot = "http://u:secret@octopi.local/" }', "without user or password"),
        (CAMERA + 'camera = { stream = "http://[fe80/" }', "is not among the hosts"),
        ('[cameras]\nhosts = ["http://octopi.local"]', "list of host names"),
        ('[cameras]\nurl = "x"', "unknown key"),
        ("cameras = 3", "must be a table"),
        ('[devices.a]\ndriver = "manual"\nmock = true', "has no mock"),
        ('[devices.a]\ndriver = "marlin"\nport = "/dev/a"\nfaults = ["reset"]', "only a mock fails"),
        ('[devices.a]\ndriver = "marlin"\nmock = true\nfaults = ["a b"]', "is not KIND"),
        ('[devices.a]\ndriver = "octoprint"\nmock = true\nurl = "http://a"', "a mock brings its own"),
        ('[devices.a]\ndriver = "octoprint"\napi_key = "k"', "url: missing"),
        ('[devices.a]\ndriver = "grbl"\nport = "socket://a:1"', "over its own cable only"),
        ('[devices.a]\ndriver = "marlin"\nport = "tcp://a:1"', "is not socket://HOST:PORT"),
    ],
)
def test_more_mistakes_are_named(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        parse(text, HERE, environ={})
    assert "secret" not in str(caught.value)


def test_one_remote_port_or_server_has_one_machine() -> None:
    two = '[devices.a]\ndriver = "marlin"\nport = "socket://pi:23"\n[devices.b]\ndriver = "marlin"\n'
    with pytest.raises(ConfigError, match=r"\[devices\.a\] and \[devices\.b\]: port: both name pi:23"):
        parse(two + 'port = "rfc2217://PI:23"', HERE)
    two = '[devices.a]\ndriver = "moonraker"\nurl = "http://v/"\n[devices.b]\ndriver = "octoprint"\n'
    with pytest.raises(ConfigError, match="url: both name http://v"):
        parse(two + 'url = "http://V"\napi_key = "k"', HERE)
