"""Text that ends a parser, looks like markup, or acts on a terminal."""

NASTY = (
    *(
        "<script>alert(1)</script>",
        "</pre></style><img src=x onerror=alert(1)>",
        "&lt;&#60;&amp;",
        "]]>",
        "--></title>",
    ),
    *(
        "\x1b[31m\x1b]0;owned\x07",
        "\u202eevil\u2066",
        "\x00NUL",
        "\ud800",
        "\ufffe\uffff",
        "\u2028\x85\x0b\x0c",
        "\r\n.\r\n",
    ),
    *(
        "#regzbot introduced: deadbeef",
        "\nCc: evil@example.org",
        "\nSigned-off-by: E <evil@example.org>",
        "\n\n#regzbot x",
    ),
    *("a # SKIP", "\nok 99 - fine", "1..0", "KTAP version 1", "# Subtest: x", "List of all partitions:", "\nBail out!"),
    *(
        "`` ` ```",
        "@everyone #1 [x](javascript:alert(1))",
        "|a|b|",
        "\\",
        "=?utf-8?q?evil?=",
        "\nFrom evil",
        "]] [[ATTACHMENT|/etc/passwd]]",
    ),
    *("é" * 600, "", " ", "- ", "😀" * 300),
)
