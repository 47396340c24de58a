//! Public URLs: which texts are one.

use credence::http::public_url::PublicUrl;

#[test]
fn a_public_url_is_an_origin_over_https_or_of_this_machine_and_nothing_behind_it() {
    for text in [
        "http://c.example.com",
        "http://127.0.0.1.example.com",
        "https://c.example.com/path",
        "https://user@c.example.com",
        "https://",
        "c.example.com",
        "null",
        "https://:443",
        "https://a:99999",
        "https://a:b",
        "https://a:1:2",
        "https://[::1",
        "https://[1]",
        "https://1.2.3.999",
        "https://.",
        "https://a b",
        "https://a?b",
        "https://a#b",
        "https://a//",
        "http://:80",
        "http://[::1]]:80",
        "https:a",
        "https:///a",
        "https://user:password@a",
        "https://a\t",
    ] {
        assert!(text.parse::<PublicUrl>().is_err(), "{text}");
    }
    for (text, origin) in [
        ("https://c.example.com", "https://c.example.com"),
        ("https://C.example.com:443/", "https://c.example.com"),
        ("https://c.example.com:8443", "https://c.example.com:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost", "http://localhost"),
        ("https://A.example.com:0443/", "https://a.example.com"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
    ] {
        assert_eq!(text.parse::<PublicUrl>().unwrap().origin(), origin);
    }
}
