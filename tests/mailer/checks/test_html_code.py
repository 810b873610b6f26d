import pytest


@pytest.mark.parametrize(
    "text",
    [
        "<pre>\n##x {{ name }} $x$\n</pre>",
        "<pre><code>[[x]] {{< y >}}</code></pre>",
        "Write <code>{{ name }} [[y]] TODO: this</code>.",
        '<div class="highlight"><pre>%FIRSTNAME% *|FNAME|*</pre></div>',
        "Press <kbd>:::</kbd>, or <samp>{first_name}</samp>.",
    ],
)
def test_what_html_calls_code_is_meant_as_it_is_written(rules, text):
    assert rules(text) == []


@pytest.mark.parametrize(
    "text", ["<code>x</code> {{ name }}", "<pre>x</pre>\n\nDear {{ name }}", "The <code> tag, dear {{ name }}"]
)
def test_what_stands_beside_it_is_text(rules, text):
    assert rules(text) == ["placeholder-left"]
