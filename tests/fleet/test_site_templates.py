# ruff: noqa: E501 - messages stand as a user reads them
"""Settings that sites share: defaults, templates, cameras by pattern; and where a mistake in them is reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from edgecam.errors import ConfigurationError
from fleet.load import load_fleet
from fleet.settings.fleet import Fleet
from fleet.settings.site import Site

Write = Callable[[str], Path]

SHOPS = """
defaults:
  nucleus: lite
  docker: {memory: 256m, cpus: 1}
  camera: {frames: {max_fps: 2}}
templates:
  shop:
    thing: "{site}-core"
    docker: {memory: 512m}
    cameras:
      - {id: till, uri: "rtsp://{net}.20/stream1"}
      - {id: "door-{n}", uri: "rtsp://{net}.2{n}/stream1", for: {n: "1-{doors}"}, frames: {width: 640}}
    values: {doors: 2}
sites:
  berlin: {template: shop, values: {net: 10.17.3}}
  bonn: {template: shop, values: {net: 10.17.4, doors: 1}, docker: {root: true, memory: null}}
  hq: {thing: hq, nucleus: classic, cameras: [{id: hall, uri: "pipeline:videotestsrc ! identity name='{plain} {{braces}}'"}]}
"""


def load(write_fleet: Write, text: str) -> Fleet:
    return load_fleet(write_fleet(dedent(text)))


def mistakes(write_fleet: Write, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(write_fleet, text)
    return str(caught.value).splitlines()


def cameras(site: Site) -> dict[str, str]:
    return {camera.id: camera.uri for camera in site.cameras}


def test_template_makes_whole_sites_of_a_name_and_values(write_fleet: Write) -> None:
    berlin = load(write_fleet, SHOPS).sites["berlin"]
    assert (berlin.thing, berlin.template) == ("berlin-core", "shop")
    assert cameras(berlin) == {
        "till": "rtsp://10.17.3.20/stream1",
        "door-1": "rtsp://10.17.3.21/stream1",
        "door-2": "rtsp://10.17.3.22/stream1",
    }


def test_mappings_are_merged_deeply_defaults_below_template_below_own(write_fleet: Write) -> None:
    sites = load(write_fleet, SHOPS).sites
    assert sites["berlin"].docker_options == {"memory": "512m", "cpus": 1.0}
    assert (sites["berlin"].nucleus, sites["hq"].nucleus) == ("lite", "classic")


def test_null_takes_out_what_stands_below(write_fleet: Write) -> None:
    assert load(write_fleet, SHOPS).sites["bonn"].docker_options == {"root": True, "cpus": 1.0}


def test_null_takes_out_whole_mappings_too(write_fleet: Write) -> None:
    text = SHOPS.replace("docker: {root: true, memory: null}", "docker: null")
    assert load(write_fleet, text).sites["bonn"].docker_options == {}


def test_lists_are_replaced(write_fleet: Write) -> None:
    fleet = load(
        write_fleet,
        """
        defaults: {cameras: [{id: a, uri: "test://"}, {id: b, uri: "test://"}]}
        sites: {one: {thing: x}, two: {thing: y, cameras: [{id: c, uri: "test://"}]}}
        """,
    )
    assert [list(cameras(site)) for site in fleet.sites.values()] == [["a", "b"], ["c"]]


def test_camera_settings_stand_under_each_camera(write_fleet: Write) -> None:
    till, door, *_ = load(write_fleet, SHOPS).sites["berlin"].cameras
    assert (till.frames.max_fps, till.frames.width) == (2, None)
    assert (door.frames.max_fps, door.frames.width) == (2, 640)


def test_braces_of_a_sites_own_settings_stay_as_typed(write_fleet: Write) -> None:
    hall = load(write_fleet, SHOPS).sites["hq"].cameras[0]
    assert hall.uri == "pipeline:videotestsrc ! identity name='{plain} {{braces}}'"


def test_places_of_a_login_are_no_placeholders_unless_a_value_has_the_name(write_fleet: Write) -> None:
    fleet = load(
        write_fleet,
        """
        templates: {t: {thing: c, cameras: [{id: a, uri: "rtsp://{net}.1/?u={username}&password={password}", credentials: {secret: cameras/a}}]}}
        sites:
          a: {template: t, values: {net: 10.0.0}}
          b: {template: t, thing: d, values: {net: 10.0.0, username: viewer}}
        """,
    )
    assert cameras(fleet.sites["a"]) == {"a": "rtsp://10.0.0.1/?u={username}&password={password}"}
    assert cameras(fleet.sites["b"]) == {"a": "rtsp://10.0.0.1/?u=viewer&password={password}"}


def test_in_a_template_doubled_braces_stand_for_braces_and_other_braces_for_themselves(
    write_fleet: Write,
) -> None:
    fleet = load(
        write_fleet,
        """
        templates: {t: {components: {org.example.X: {version: 1.0.0, merge: {a: "{{site}}", b: '{"x":{"y":1}}', c: "{iot:thingName}"}}}}}
        sites: {a: {template: t, thing: c, cameras: [{id: a, uri: "test://"}]}}
        """,
    )
    merge = fleet.sites["a"].components["org.example.X"].merge
    assert merge == {"a": "{site}", "b": '{"x":{"y":1}}', "c": "{iot:thingName}"}


def test_text_that_is_one_placeholder_becomes_the_value_itself(write_fleet: Write) -> None:
    fleet = load(
        write_fleet,
        """
        templates: {t: {http: {port: "{port}"}}}
        sites: {a: {template: t, values: {port: 8700}, thing: c, cameras: [{id: a, uri: "test://"}]}}
        """,
    )
    assert fleet.sites["a"].http.port == 8700


@pytest.mark.parametrize(
    ("loops", "pattern", "expected"),
    [
        ('{n: "1-3"}', "c{n}", ["c1", "c2", "c3"]),
        ('{n: "9-11"}', "c{n}", ["c9", "c10", "c11"]),
        ('{n: "08-10"}', "c{n}", ["c08", "c09", "c10"]),
        ("{n: [1, 2, 7]}", "c{n}", ["c1", "c2", "c7"]),
        ("{side: [north, south]}", "{side}", ["north", "south"]),
        ('{floor: "1-2", n: [a, b]}', "f{floor}-{n}", ["f1-a", "f1-b", "f2-a", "f2-b"]),
        ('{n: "5-5"}', "{site}-{n}", ["here-5"]),
    ],
)
def test_one_entry_with_for_stands_for_many_cameras(
    write_fleet: Write, loops: str, pattern: str, expected: list[str]
) -> None:
    text = f'sites: {{here: {{thing: c, cameras: [{{id: "{pattern}", uri: "test://", for: {loops}}}, {{id: z, uri: "test://"}}]}}}}'
    assert list(cameras(load(write_fleet, text).sites["here"])) == [*expected, "z"]


SITE = 'sites: {a: {thing: c, values: {net: x}, cameras: [{id: z, uri: "test://"}, {id: "c{n}", uri: "rtsp://%s/1", for: %s}]}}'


@pytest.mark.parametrize(
    ("uri", "loops", "expected"),
    [
        ("h", "{n: 4}", '[1].for.n: expected a range such as "1-4", or a list, found 4'),
        (
            "h",
            '{n: "4-1"}',
            '[1].for.n: expected a range that goes up, its ends equally long where one begins with 0, such as "01-12", found "4-1"',
        ),
        (
            "h",
            '{n: "1-04"}',
            '[1].for.n: expected a range that goes up, its ends equally long where one begins with 0, such as "01-12", found "1-04"',
        ),
        ("h", "{n: [a, a]}", "[1].for.n[1]: expected each value once, found a again"),
        (
            "h",
            "{n: [1.10]}",
            "[1].for.n[0]: expected a text or a whole number (a number with a dot in quotes), found 1.1",
        ),
        ("h", "{n: []}", "[1].for.n: expected at least one value, found none"),
        (
            "h",
            "{}",
            '[1].for: expected names and their ranges, such as {n: "1-4"}, found a mapping with the keys (none)',
        ),
        ("h", "3", '[1].for: expected names and their ranges, such as {n: "1-4"}, found 3'),
        (
            "h",
            '{n: "1-2", m: "1-2"}',
            '[1].id: expected {m} in it, so that each camera has an id of its own, found "c{n}"',
        ),
        (
            "h",
            '{n: "1-2", net: "1-2"}',
            '[1].for.net: expected a name that is not one of the site\'s values, found "net"',
        ),
        ("h", '{n: "1-100000"}', '[1].for.n: expected at most 1000 cameras of one entry, found "1-100000"'),
        ("h", '{n: "1-99", m: "1-99"}', "[1].for: expected at most 1000 cameras of one entry, found 9801"),
        (
            "h{m}",
            '{n: "1-9"}',
            "[1].uri: expected one of {n}, {net}, {site} (or {{m}} for the braces themselves), found {m}",
        ),
        # Of the whole entry, once, and not as cameras[7].
        (
            "h",
            '{n: "1-9", N: "1-2"}',
            '[1].for.N: expected a name of lower case letters, digits and underscores, found "N"',
        ),
    ],
)
def test_pattern_that_is_ambiguous_or_wrong_is_refused_at_its_entry(
    write_fleet: Write, uri: str, loops: str, expected: str
) -> None:
    assert mistakes(write_fleet, SITE % (uri, loops)) == [f"fleet.yaml: sites.a.cameras{expected}"]


def test_mistake_in_a_camera_by_pattern_is_reported_at_its_entry_once(write_fleet: Write) -> None:
    text = SITE % ("h", '{n: "1-3"}')
    assert mistakes(write_fleet, text.replace("for:", "frames: {max_fps: 99}, for:")) == [
        "fleet.yaml: sites.a.cameras[1].frames.max_fps: expected a number less than or equal to 30, found 99"
    ]


def test_mistake_in_a_template_is_reported_in_the_template_once(write_fleet: Write) -> None:
    assert mistakes(write_fleet, SHOPS.replace("memory: 512m", "memory: 512")) == [
        'fleet.yaml: templates.shop.docker.memory: expected a text such as "512m" or "1g", found 512, for site berlin',
    ]
    (line,) = mistakes(write_fleet, SHOPS.replace("max_fps: 2", "max_fsp: 2"))
    assert line.startswith("fleet.yaml: defaults.camera.frames.max_fsp: expected one of the keys ")


def test_key_with_dots_is_traced_to_where_it_stands(write_fleet: Write) -> None:
    text = """
        templates: {t: {components: {org: 1.0.0}}}
        sites: {a: {template: t, thing: c, cameras: [{id: a, uri: "test://"}], components: {org.example: 1.0}}}
        """
    assert mistakes(write_fleet, text) == [
        "fleet.yaml: sites.a.components.org.example.version: expected a version of three numbers, such as "
        '"2.3.7", found "1.0"'
    ]


def test_what_a_site_lacks_is_reported_at_the_site(write_fleet: Write) -> None:
    assert mistakes(write_fleet, SHOPS.replace('thing: "{site}-core"', "variant: frame-grabber"))[:1] == [
        "fleet.yaml: sites.berlin: expected thing or thing_group, one of them, found none",
    ]
    assert mistakes(write_fleet, "sites: {a: {template: t, thing: c}}\ntemplates: {t: {nucleus: lite}}") == [
        "fleet.yaml: sites.a.cameras: expected a value, found nothing"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            SHOPS.replace("bonn: {template: shop", "bonn: {template: shp"),
            'sites.bonn.template: expected one of the templates shop (did you mean shop?), found "shp"',
        ),
        (
            "sites: {a: {template: t}}",
            'sites.a.template: expected one of the templates (there are none), found "t"',
        ),
        (
            "templates: [t]\nsites: {}",
            "templates: expected a mapping of names to settings of a site, found a list of 1",
        ),
        ("templates: {t: 5}\nsites: {}", "templates.t: expected a mapping of settings of a site, found 5"),
        ("defaults: [t]\nsites: {}", "defaults: expected a mapping of settings of a site, found a list of 1"),
        (
            "templates: {t: {template: u}}\nsites: {}",
            'templates.t.template: expected it only in a site: templates do not build on each other, found "u"',
        ),
        (
            SHOPS.replace("net: 10.17.3}", "net: 10.17}"),
            "sites.berlin.values.net: expected a text or a whole number (a number with a dot in quotes), found 10.17",
        ),
        (
            SHOPS.replace("values: {net: 10.17.3}", "values: {site: x, net: y}"),
            "sites.berlin.values.site: expected a name of lower case letters, digits and underscores (not site, which "
            'is its name), found "site"',
        ),
        (
            SHOPS.replace("values: {net: 10.17.3}", "values: [x]").replace("{net}", "h"),
            "sites.berlin.values: expected a mapping of names to texts, found a list of 1",
        ),
    ],
)
def test_what_a_site_builds_on_is_named_when_it_is_not_there(
    write_fleet: Write, text: str, expected: str
) -> None:
    assert mistakes(write_fleet, text)[0] == f"fleet.yaml: {expected}"


def test_value_that_sites_lack_is_reported_at_the_placeholder_once_with_the_sites(write_fleet: Write) -> None:
    lacking = SHOPS.replace("values: {net: 10.17.3}", "values: {}")
    more = "".join(f"  more-{number}: {{template: shop}}\n" for number in range(4))
    for text, sites in (
        (lacking, "site berlin"),
        (lacking + more, "sites berlin, more-0, more-1 and 2 more"),
    ):
        assert mistakes(write_fleet, text) == [
            "fleet.yaml: templates.shop.cameras[0].uri: expected one of {doors}, {site} (or {{net}} for the braces "
            f"themselves), found {{net}}, for {sites}",
            "fleet.yaml: templates.shop.cameras[1].uri: expected one of {doors}, {n}, {site} (or {{net}} for the "
            f"braces themselves), found {{net}}, for {sites}",
        ]


def test_password_that_a_value_brings_into_a_uri_is_refused_and_not_repeated(write_fleet: Write) -> None:
    text = SHOPS.replace("net: 10.17.3", 'net: "root:hunter2@10.17.3"')
    found = mistakes(write_fleet, text)
    assert found[0].startswith("fleet.yaml: templates.shop.cameras[0].uri: expected a URI without a password")
    assert "hunter2" not in "\n".join(found)
