"""The page says what the facts say, needs no network, and is not led astray by what a model calls its tensors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

from page_reader import Element, read_page, rows, sections

from onnxprune.report.page import page_of

PAGE = Path("report.html")
ALL = (
    "summary warnings outputs layers widths groups saliency curve sensitivity repair verification target seconds repeat"
)
HOSTILE = "</style><script>alert('1')</script><img src=x onerror=\"alert(2)\">{{ 7 * 7 }}"


def made(data: dict[str, Any]) -> Element:
    return read_page(page_of(data, PAGE))


def changed_names(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {changed_names(k, old, new): changed_names(item, old, new) for k, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [changed_names(item, old, new) for item in value]
    return value.replace(old, new) if isinstance(value, str) else value


def test_all_sections_are_there_in_order(everything: dict[str, Any]) -> None:
    assert sections(made(everything)) == ALL.split()


def test_the_summary_has_the_figures_of_the_facts(everything: dict[str, Any]) -> None:
    shown = {cells[0].text: (cells[1].value, cells[2].value) for cells in rows(made(everything).by_id("summary"))}
    wanted = {
        name: (everything[key]["before"], everything[key]["after"])
        for name, key in (("parameters", "params"), ("MACs", "macs"), ("file", "bytes"), ("compressed", "compressed"))
    }
    assert shown == {**wanted, "latency": (1.5, 1.1)}


def test_the_change_of_latency_is_the_ratio_that_was_measured(everything: dict[str, Any]) -> None:
    cells = next(cells for cells in rows(made(everything).by_id("summary")) if cells[0].text == "latency")
    assert cells[3].text == "\N{MINUS SIGN}25.0%"


def test_the_table_of_layers_is_that_of_the_facts(channels: dict[str, Any]) -> None:
    shown = [
        (cells[1].text, cells[2].text, *(cells[place].value for place in (3, 4, 6, 7)))
        for cells in rows(made(channels).by_id("layer-table"))
    ]
    assert len(shown) > 3
    assert shown == [
        (
            layer["name"], layer["operator"], layer["params"]["before"], layer["params"]["after"],
            layer["macs"]["before"], layer["macs"]["after"],
        )
        for layer in channels["layers"]
    ]  # fmt: skip


def test_every_bar_of_a_layer_says_which_it_is(channels: dict[str, Any]) -> None:
    figure = next(
        element for element in made(channels).by_id("layers").all("div") if element.attributes == {"class": "wide"}
    )
    told = {title.text for title in figure.all("title")}
    for place, layer in enumerate(channels["layers"], 1):
        for key in ("params", "macs"):
            if layer[key]["before"]:
                start = f"{place}: {layer['name']} ({layer['operator']}) keeps "
                assert any(tip.startswith(start) and tip.endswith(f" {key}") for tip in told)


def test_the_table_of_dims_has_widths_and_members(channels: dict[str, Any]) -> None:
    for cells, dim in zip(rows(made(channels).by_id("dim-table")), channels["dims"], strict=True):
        assert (cells[0].text, cells[1].value, cells[2].value) == (dim["name"], dim["size"], dim["kept"])
        assert [item.text for item in cells[5].all("li")] == dim["members"]


def test_a_dim_has_a_mark_for_each_weight_that_it_runs_through(channels: dict[str, Any]) -> None:
    shown = rows(made(channels).by_id("dim-table"))
    marks = {cells[0].text: (cells[4].value, next(cells[4].all("path")).attributes["d"].count("M")) for cells in shown}
    assert marks == {"stem.conv.weight[0]": (4, 4), "block.first.weight[0]": (2, 2)}


def test_reasons_are_counted(channels: dict[str, Any]) -> None:
    shown = rows(made(channels).by_id("reason-table"))
    assert sum(cells[0].value for cells in shown) == len(channels["not_pruned"]) > 0
    assert {next(cells[1].all("summary")).text for cells in shown} == {e["reason"] for e in channels["not_pruned"]}


def test_findings_and_lines_to_paste_are_those_of_the_target(channels: dict[str, Any]) -> None:
    target = made(channels).by_id("target")
    text = target.text
    assert all(finding["found"] in text for finding in channels["target"]["findings"])
    assert "\n".join(channels["target"]["handover"]) in [pre.text for pre in target.all("pre")]


def test_the_weights_with_zeros_are_those_of_the_facts(zeros: dict[str, Any]) -> None:
    page = made(zeros)
    shown = [(cells[1].text, cells[3].value, cells[4].value) for cells in rows(page.by_id("zero-table"))]
    assert [row[0] for row in shown] == [layer["name"] for layer in zeros["sparsity"]["layers"]]
    assert sum(row[1] for row in shown) == zeros["sparsity"]["weights"]
    assert sum(row[2] for row in shown) == zeros["sparsity"]["zeros"]["after"] > 0
    assert [image.attributes["alt"] for image in page.all("img")] == ["zeros of stem.conv.weight"]


def test_steps_and_seconds_are_those_of_the_facts(everything: dict[str, Any]) -> None:
    page = made(everything)
    steps = [(cells[0].value, cells[1].text.strip(), cells[2].text) for cells in rows(page.by_id("curve-table"))]
    assert steps == [(0.5, "0.4%", "yes"), (0.75, "3.0%", "no"), (0.9, "cannot be removed", "no")]
    seconds = {cells[0].text: cells[1].value for cells in rows(page.by_id("second-table"))}
    assert seconds == everything["seconds"]


def test_the_verdict_says_what_counts(everything: dict[str, Any], zeros: dict[str, Any]) -> None:
    less = 1 - everything["params"]["after"] / everything["params"]["before"]
    verdict = made(everything).by_id("verdict").text
    for words in (f"{less:.1%} fewer parameters", "1.33x faster, measured", "outputs moved by", "proved", "ready for"):
        assert words in verdict
    verdict = made(zeros).by_id("verdict").text
    assert "50.0% of 4.48k weights are zero (2:4)" in verdict and "latency not measured" in verdict


def test_what_was_not_verified_is_not_called_proved(channels: dict[str, Any]) -> None:
    page = made({**channels, "verified": None})
    assert "not verified" in page.by_id("verdict").text and "proved" not in page.by_id("verdict").text
    assert "verification" not in sections(page)


def test_sections_without_facts_are_left_out(channels: dict[str, Any]) -> None:
    bare = {key: channels[key] for key in ("params", "macs", "amount")}
    assert sections(made(bare)) == ["summary"]
    assert [link.attributes["href"] for link in made(bare).all("a")] == ["#summary"]


@pytest.mark.parametrize("key", ["drift", "layers", "saliency", "recovery", "target", "seconds", "not_pruned", "dims"])
def test_any_part_may_be_missing(everything: dict[str, Any], key: str) -> None:
    without = sections(made({name: value for name, value in everything.items() if name != key}))
    assert without == sections(made({**everything, key: None}))


def test_hostile_names_stay_text(everything: dict[str, Any], zeros: dict[str, Any]) -> None:
    for data in (everything, zeros):
        named = changed_names(data, "stem.conv", HOSTILE)
        named = changed_names(named, "net", HOSTILE)
        named["drift"] = {**named["drift"], "outputs": {HOSTILE: next(iter(named["drift"]["outputs"].values()))}}
        page = made(named)
        harmless = made(data)
        assert len(list(page.all("script"))) == len(list(harmless.all("script"))) == 1
        assert len(list(page.all("img"))) == len(list(harmless.all("img")))
        assert not any(name.startswith("on") for element in page.all() for name in element.attributes)
        assert HOSTILE in page.text


def test_nothing_is_loaded_from_anywhere(everything: dict[str, Any], zeros: dict[str, Any]) -> None:
    for data in (everything, zeros):
        page = made(data)
        for element in page.all():
            for name, value in element.attributes.items():
                if "//" in value or name in ("src", "href", "srcset", "data", "poster", "action"):
                    is_link = element.tag == "a" and name == "href" and value.startswith(("http", "#"))
                    assert is_link or value.startswith(("data:", "#")) or name in ("aria-label", "title"), (name, value)
        style = next(page.all("style")).text + " ".join(e.attributes.get("style", "") for e in page.all())
        assert "@import" not in style and "url(" not in style
        script = next(page.all("script")).text
        assert not re.search(r"fetch|XMLHttpRequest|import\(|https?:", script)


def test_only_pages_on_the_web_become_links(channels: dict[str, Any]) -> None:
    target = {**channels["target"], "findings": [dict(finding) for finding in channels["target"]["findings"]]}
    target["findings"][0]["source"] = {"page": "javascript:alert(1)", "version": "1"}
    page = made({**channels, "target": target})
    assert all(link.attributes["href"].startswith(("https://", "#")) for link in page.all("a"))
    assert "javascript:alert(1)" in page.text


def test_the_same_facts_give_the_same_bytes(everything: dict[str, Any]) -> None:
    assert page_of(everything, PAGE) == page_of(dict(everything), PAGE)


def test_a_matplotlibrc_changes_nothing(everything: dict[str, Any]) -> None:
    import matplotlib

    before = page_of(everything, PAGE)
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "svg.fonttype": "path", "axes.edgecolor": "red"}):
        assert page_of(everything, PAGE) == before


def test_pictures_take_their_colours_from_the_page_and_share_no_ids(everything: dict[str, Any]) -> None:
    page = made(everything)
    ids = [element.attributes["id"] for element in page.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    drawn = [element for svg in page.all("svg") for element in svg.all()]
    assert len(drawn) > 100
    assert not [element for element in drawn if re.search(r"#[0-9a-f]{6}", element.attributes.get("style", ""))]
    used = {m for e in page.all() for m in re.findall(r"var\((--[\w-]+)\)", e.attributes.get("style", ""))}
    style = next(page.all("style")).text
    assert used and all(f"{name}:" in style for name in used)


def test_pictures_have_text_that_can_be_read_and_a_name(channels: dict[str, Any]) -> None:
    figure = next(svg for svg in made(channels).by_id("layers").all("svg"))
    assert "layer, in the order of the graph" in [text.text for text in figure.all("text")]
    assert figure.attributes["aria-label"]


def test_two_dozen_distributions_are_shown_and_the_others_counted(channels: dict[str, Any]) -> None:
    entry, dim = channels["saliency"][0], channels["dims"][0]
    names = [f"dim {place}" for place in range(30)]
    data = {
        **channels,
        "saliency": [{**entry, "name": name} for name in names],
        "dims": [{**dim, "name": name, "size": 40, "kept": 40 - place} for place, name in enumerate(names)],
    }
    section = made(data).by_id("saliency")
    shown = [next(caption.all("span")).text for caption in section.all("figcaption")]
    assert shown == names[:5:-1] and "6 more dims are not shown" in section.text


def test_many_layers_still_make_a_page_of_modest_size(channels: dict[str, Any]) -> None:
    layers = [{**channels["layers"][0], "name": f"layer.{place}"} for place in range(1000)]
    page = page_of({**channels, "layers": layers}, PAGE)
    assert len(rows(read_page(page).by_id("layer-table"))) == 1000
    assert len(page) < 1_500_000


def test_widths_that_fit_no_kernel_are_pointed_out(channels: dict[str, Any]) -> None:
    dims = [{**dim, "kept": 13} for dim in channels["dims"]]
    section = made({**channels, "dims": dims}).by_id("widths")
    assert f"{len(dims)} of {len(dims)} dims have widths that are no multiple of that" in section.text


def test_numbers_that_are_not_finite_are_said_to_be_so(everything: dict[str, Any]) -> None:
    name = next(iter(everything["drift"]["outputs"]))
    lost = {"metric": "relative-error", "value": float("nan"), "dense": 0.0, "drop": float("inf")}
    data = {**everything, "drift": {**everything["drift"], "outputs": {name: lost}}}
    page = made(data)
    assert "not finite" in page.by_id("outputs").text
    assert "moved by not finite" in page.by_id("verdict").text


def test_parts_of_an_axis_and_narrow_dims_are_not_judged_by_their_width(channels: dict[str, Any]) -> None:
    heads = {"name": "qkv[0].0", "size": 24, "kept": 12, "members": ["qkv[0].0", "out[1].0"]}
    narrow = {"name": "narrow[0]", "size": 6, "kept": 5, "members": ["narrow[0]"]}
    section = made({**channels, "dims": [heads, narrow]}).by_id("widths")
    assert "Every dim that is wider is a multiple of that" in section.text
