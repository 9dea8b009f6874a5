import io

from PIL import Image

from liverlib.view.report.html import html_table, image, page, section


def test_a_page_escapes_its_title():
    assert "<title>a &lt;b&gt;: liverlib</title>" in page("a <b>", "<p>text</p>")


def test_a_section_without_content_is_nothing():
    assert section("Films", "") == ""
    assert section("Films", "<p>text</p>").startswith("<h2>Films</h2>")


def test_cells_of_tables_are_escaped():
    assert "<b>" not in html_table(["<b>"], [["<b>", "<b>"]], "<b>")


def test_the_first_cell_of_a_row_heads_it():
    text = html_table(["", "ml"], [["liver", 1500]])
    assert '<th scope="row">liver</th><td>1500</td>' in text
    assert "caption" not in text


def test_an_image_has_its_size_and_its_words():
    stream = io.BytesIO()
    Image.new("RGB", (30, 20)).save(stream, "PNG")
    text = image(stream.getvalue(), 'a "picture"', "words <b>", lazy=True)
    assert 'width="30" height="20"' in text and "loading=lazy" in text
    assert 'alt="a &quot;picture&quot;"' in text
    assert "<figcaption>words &lt;b&gt;</figcaption>" in text
    assert 'src="data:image/png;base64,' in text
