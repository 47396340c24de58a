//! Forged tokens, and those that are not as they must be: a table of them, each beside a good token that differs from it in that alone. All
//! are refused in the same words; the log and the audit log have the reasons.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credence::data_directory::write_secret_file;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::forgery::{Family, Forged, forged, from_table, judge, with_times};
use crate::support::key_server::key;
use crate::support::token::{HS256, SECRET, claims, claims_with, key_path, pem, sign, sign_hs256};
use crate::support::{Server, tell, text};

/// Headers, over good claims and under a good signature: the reason, and the header.
const HEADERS: &str = r#"
algorithm {"alg":"none"}
algorithm {"alg":"None"}
algorithm {"alg":"NONE"}
algorithm {"alg":"nOnE"}
algorithm {"alg":"hs256"}
algorithm {"alg":"HS256 "}
algorithm {"alg":"HS384"}
algorithm {"alg":"HS512"}
algorithm {"alg":"RS256"}
algorithm {"alg":"PS256"}
algorithm {"alg":"ES256"}
algorithm {"alg":"EdDSA"}
algorithm {"alg":"dir"}
algorithm {"alg":""}
malformed {"alg":null}
malformed {"alg":["HS256"]}
malformed {"alg":1}
malformed {"alg":{"HS256":true}}
malformed {"typ":"JWT"}
malformed {"alg":"HS256","alg":"HS256"}
malformed {"alg":"none","alg":"HS256"}
malformed {"alg":"HS256","\u0061lg":"none"}
header {"alg":"HS256","typ":"JWE"}
header {"alg":"HS256","typ":"dpop+jwt"}
header {"alg":"HS256","typ":"logout+jwt"}
header {"alg":"HS256","typ":"secevent+jwt"}
header {"alg":"HS256","typ":"JWT "}
header {"alg":"HS256","typ":""}
malformed {"alg":"HS256","typ":1}
malformed {"alg":"HS256","typ":"JWT","typ":"JWT"}
header {"alg":"HS256","crit":["exp"]}
header {"alg":"HS256","crit":[]}
header {"alg":"HS256","crit":null}
header {"alg":"HS256","crit":["b64"],"b64":false}
header {"alg":"HS256","b64":true}
header {"alg":"HS256","jku":"https://evil.example/keys"}
header {"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}
header {"alg":"HS256","x5u":"https://evil.example/cert"}
header {"alg":"HS256","x5c":["AAAA"]}
header {"alg":"HS256","zip":"DEF"}
header {"alg":"HS256","enc":"A256GCM"}
malformed {"alg":"HS256","unknown":1,"unknown":2}
malformed {"alg":"HS256","kid":{}}
malformed {"alg":"HS256"}{}
malformed {"alg":"HS256"
malformed []
malformed null
malformed "HS256"
"#;

/// Headers of an issuer with a set of keys: over good claims, and signed with the key `rsa`.
const KEY_HEADERS: &str = r#"
unknown_key {"alg":"RS256","kid":"unknown"}
unknown_key {"alg":"RS256","kid":""}
unknown_key {"alg":"RS256","kid":"RSA"}
unknown_key {"alg":"RS256","kid":"rsa "}
unknown_key {"alg":"RS256","kid":"../../etc/passwd"}
unknown_key {"alg":"RS256","kid":"' OR 1=1 --"}
unknown_key {"alg":"RS256","kid":"encrypts"}
unknown_key {"alg":"RS256","kid":null}
unknown_key {"alg":"RS256"}
algorithm {"alg":"RS256","kid":"p256"}
algorithm {"alg":"ES256","kid":"rsa"}
algorithm {"alg":"HS256","kid":"rsa"}
algorithm {"alg":"none","kid":"rsa"}
signature {"alg":"ES256","kid":"p256"}
malformed {"alg":"RS256","kid":1}
malformed {"alg":"RS256","kid":["rsa"]}
malformed {"alg":"RS256","kid":"rsa","kid":"rsa"}
"#;

/// Claims that are changed; null takes one away, and `NOW` is the present second.
const CLAIMS: &str = r#"
claims {"iss":null}
claims {"aud":null}
claims {"exp":null}
claims {"iat":null}
claims {"sub":null}
claims {"iss":["https://issuer.example/"]}
claims {"iss":["https://issuer.example/","https://evil.example/"]}
claims {"iss":1}
issuer {"iss":"https://evil.example/"}
issuer {"iss":"https://issuer.example"}
issuer {"iss":"https://issuer.example//"}
issuer {"iss":"HTTPS://ISSUER.EXAMPLE/"}
issuer {"iss":""}
claims {"aud":1}
claims {"aud":{}}
claims {"aud":["credence",1]}
audience {"aud":"another"}
audience {"aud":"credence "}
audience {"aud":"Credence"}
audience {"aud":"another credence"}
audience {"aud":""}
audience {"aud":[]}
audience {"aud":["another","third"]}
claims {"sub":7}
claims {"sub":["alice"]}
subject {"sub":""}
subject {"sub":"a\nb"}
subject {"sub":"a\u0000b"}
subject {"sub":"\u007f"}
subject {"sub":"\u0085"}
claims {"exp":true}
claims {"exp":-1}
claims {"exp":1e300}
claims {"exp":18446744073709551615}
claims {"exp":[]}
claims {"exp":"NOW+3600"}
claims {"iat":-5}
claims {"iat":"NOW"}
claims {"nbf":"soon"}
claims {"exp":1.5e300}
claims {"iat":1.5e300}
claims {"nbf":1.5e300}
claims {"nbf":-0.5}
claims {"nbf":9223372036854775808}
expired {"exp":0}
expired {"exp":NOW-31}
expired {"exp":NOW-3600,"iat":NOW-7200}
lifetime {"exp":253402300799}
lifetime {"exp":9223372036854775807}
lifetime {"exp":NOW+86402,"iat":NOW+1}
lifetime {"exp":NOW+60,"iat":NOW-86400}
lifetime {"exp":NOW+60,"iat":0}
not_yet_valid {"iat":NOW+40}
not_yet_valid {"iat":NOW+3500}
not_yet_valid {"exp":9223372036854775807,"iat":9223372036854775807}
not_yet_valid {"nbf":NOW+40}
not_yet_valid {"nbf":9223372036854775807}
claims {"scope":1}
claims {"scope":{}}
claims {"scope":[1]}
claims {"scope":[["credentials:read"]]}
claims {"name":1}
claims {"email":{}}
claims {"client_id":1}
claims {"azp":["credence"]}
claims {"jti":7}
claims {"credential_ids":"all"}
claims {"credential_ids":["not-an-id"]}
claims {"credential_ids":[null]}
claims {"credential_ids":1}
"#;

/// What takes the place of `"sub":"alice"` in good claims.
const CLAIMS_TWICE: &str = r#"
claims "sub":"bob","sub":"alice"
claims "sub":"alice","sub":"alice"
claims "sub":"alice","\u0073ub":"bob"
claims "iss":"https://issuer.example/","sub":"alice"
claims "exp":9999999999,"sub":"alice"
claims "scope":"users:manage","sub":"alice"
claims "credential_ids":[],"credential_ids":null,"sub":"alice"
claims "unknown":1,"unknown":2,"sub":"alice"
claims "credential_ids":null,"sub":"alice"
claims "sub":"alice"}{
claims "sub":"alice",
"#;

/// The families of an issuer with a shared secret.
fn of_secret(server: &Server) -> Vec<Family> {
    let now = server.clock.now().seconds();
    let good = claims(server).to_string();
    let control = sign_hs256(HS256, &good);
    let changed = |text: &str| {
        let changes = serde_json::from_str(&with_times(text, now)).unwrap();
        sign_hs256(HS256, &claims_with(server, changes))
    };
    let twice = |text: &str| sign_hs256(HS256, &good.replace(r#""sub":"alice""#, text));
    let mut texts = from_table(CLAIMS_TWICE, twice);
    for text in ["[]", "null", "\"alice\"", "sub=alice", "\u{feff}{}", ""] {
        texts.push(forged(text, sign_hs256(HS256, text), "claims"));
    }
    let family = |name, forged| Family {
        name,
        control: control.clone(),
        forged,
    };
    vec![
        family(
            "headers",
            from_table(HEADERS, |header| sign_hs256(header, &good)),
        ),
        family("signatures", signatures(server, &control)),
        family("claims", from_table(CLAIMS, changed)),
        family("claims twice", texts),
    ]
}

fn signatures(server: &Server, good: &str) -> Vec<Forged> {
    let parts: Vec<&str> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let with = |changes: Value| claims_with(server, changes);
    let bob = sign_hs256(HS256, &with(json!({ "sub": "bob" })));
    let of_bob = bob.rsplit('.').next().unwrap();
    let admin = URL_SAFE_NO_PAD.encode(with(json!({ "scope": "users:manage" })));
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let by = |secret: &[u8]| {
        let key = EncodingKey::from_secret(secret);
        sign(HS256, &with(json!({})), &key, Algorithm::HS256)
    };
    let other = b"another secret of the tests, of 32 bytes and more";
    let half = &signature[..20];
    let longer = sign_hs256(HS256, &with(json!({ "x": "x".repeat(8_192) })));
    let subject = sign_hs256(HS256, &with(json!({ "sub": "x".repeat(256) })));
    let standard = good.replace('-', "+").replace('_', "/") + "+/";
    vec![
        forged("none", format!("{header}.{payload}."), "signature"),
        forged("two parts", format!("{header}.{payload}"), "malformed"),
        forged("one part", header.to_owned(), "malformed"),
        forged("dots", "..".to_owned(), "malformed"),
        forged("four parts", format!("{good}.x"), "malformed"),
        forged("five parts", format!("{good}.x.y"), "malformed"),
        forged("`none`", format!("{none}.{payload}."), "algorithm"),
        forged("`none`?", format!("{none}.{payload}.{half}"), "algorithm"),
        forged("bob's", format!("{header}.{payload}.{of_bob}"), "signature"),
        forged("more", format!("{header}.{admin}.{signature}"), "signature"),
        forged("cut", format!("{header}.{payload}.{half}"), "signature"),
        forged("longer", format!("{good}AAAA"), "signature"),
        forged("padded", format!("{good}="), "malformed"),
        forged("written otherwise", alias(good), "malformed"),
        forged("spaces", format!("{header}. {payload}.{half}"), "signature"),
        forged("a space", good.replacen('.', " .", 1), "malformed"),
        forged("standard base64", standard, "malformed"),
        forged("no base64", format!("{header}.{{}}.{half}"), "signature"),
        forged("another secret", by(other), "signature"),
        forged("a longer secret", by(&[SECRET, b"x"].concat()), "signature"),
        forged("a line end", by(&[SECRET, b"\n"].concat()), "signature"),
        forged("no secret", by(b""), "signature"),
        forged("more than 8 KiB", longer, "malformed"),
        forged("a subject of 256 bytes", subject, "subject"),
    ]
}

/// The last two bits that a signature of 32 bytes is written with stand for nothing: with another character it would be the same one.
fn alias(token: &str) -> String {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (front, last) = token.split_at(token.len() - 1);
    let place = alphabet.find(last).unwrap();
    format!("{front}{}", &alphabet[place + 1..place + 2])
}

/// The families of an issuer with an RSA key.
fn of_rsa(server: &Server) -> Vec<Family> {
    let claims = claims(server).to_string();
    let rsa = EncodingKey::from_rsa_pem(&pem("rsa.pem")).unwrap();
    let other = EncodingKey::from_rsa_pem(&pem("rsa-other.pem")).unwrap();
    let p256 = EncodingKey::from_ec_pem(&pem("p256.pem")).unwrap();
    // Whoever knows the public key takes it for a secret: the confusion of algorithms.
    let public = EncodingKey::from_secret(&pem("rsa.pub.pem"));
    let trimmed = EncodingKey::from_secret(pem("rsa.pub.pem").trim_ascii_end());
    let with_key = format!(r#"{{"alg":"RS256","jwk":{}}}"#, key("rsa"));
    let rs256 = r#"{"alg":"RS256"}"#;
    let of = |alg: &str| json!({ "alg": alg }).to_string();
    let by = |header: &str, key: &EncodingKey, algorithm: Algorithm, reason: &str| {
        let token = sign(header, &claims, key, algorithm);
        forged(&format!("{algorithm:?} as {header}"), token, reason)
    };
    vec![Family {
        name: "algorithms",
        control: sign(rs256, &claims, &rsa, Algorithm::RS256),
        forged: vec![
            by(HS256, &public, Algorithm::HS256, "algorithm"),
            by(HS256, &trimmed, Algorithm::HS256, "algorithm"),
            by(rs256, &public, Algorithm::HS256, "signature"),
            by(rs256, &other, Algorithm::RS256, "signature"),
            by(&with_key, &rsa, Algorithm::RS256, "header"),
            by(&of("PS256"), &rsa, Algorithm::PS256, "algorithm"),
            by(rs256, &rsa, Algorithm::PS256, "signature"),
            by(&of("RS384"), &rsa, Algorithm::RS384, "algorithm"),
            by(&of("RS512"), &rsa, Algorithm::RS512, "algorithm"),
            by(rs256, &rsa, Algorithm::RS512, "signature"),
            by(&of("ES256"), &p256, Algorithm::ES256, "algorithm"),
        ],
    }]
}

/// The families of an issuer with a set of keys.
fn of_set(server: &Server) -> Vec<Family> {
    let claims = claims(server).to_string();
    let rsa = EncodingKey::from_rsa_pem(&pem("rsa.pem")).unwrap();
    let other = EncodingKey::from_rsa_pem(&pem("rsa-other.pem")).unwrap();
    let p384 = EncodingKey::from_ec_pem(&pem("p384.pem")).unwrap();
    let header = r#"{"alg":"RS256","kid":"rsa"}"#;
    let signed = |header: &str| sign(header, &claims, &rsa, Algorithm::RS256);
    let another = sign(header, &claims, &other, Algorithm::RS256);
    let es384 = r#"{"alg":"ES384","kid":"p256"}"#;
    let curve = sign(es384, &claims, &p384, Algorithm::ES384);
    // CVE-2022-21449: r and s are zero.
    let es256 = signed(r#"{"alg":"ES256","kid":"p256"}"#);
    let (message, _) = es256.rsplit_once('.').unwrap();
    let zeros = format!("{message}.{}", URL_SAFE_NO_PAD.encode([0; 64]));
    let mut all = from_table(KEY_HEADERS, signed);
    all.push(forged("another key of the name", another, "signature"));
    all.push(forged("a key of another curve", curve, "algorithm"));
    all.push(forged("zeros", zeros, "signature"));
    vec![Family {
        name: "keys",
        control: signed(header),
        forged: all,
    }]
}

/// The families of an issuer whose tokens are bounded more narrowly.
fn of_narrow(server: &Server) -> Vec<Family> {
    let now = server.clock.now().seconds();
    let token = |header: &str, seconds: i64| {
        let times = json!({ "iat": now, "exp": now + seconds });
        sign_hs256(header, &claims_with(server, times))
    };
    let access = r#"{"alg":"HS256","typ":"at+jwt"}"#;
    vec![Family {
        name: "narrow",
        control: token(access, 600),
        forged: vec![
            forged("the type JWT", token(HS256, 600), "header"),
            forged("no type", token(r#"{"alg":"HS256"}"#, 600), "header"),
            forged("more than 10 minutes", token(access, 601), "lifetime"),
        ],
    }]
}

#[tokio::test]
async fn forged_tokens_are_refused_and_the_logs_have_the_reasons() {
    let directory = TempDir::new().unwrap();
    let secret = directory.path().join("secret");
    write_secret_file(&secret, SECRET).unwrap();
    let by_secret = ["--jwt-key-file", text(&secret)];
    let narrowly = [
        by_secret.as_slice(),
        &["--require-at-jwt", "--jwt-max-age", "10m"],
    ]
    .concat();
    let (rsa, set) = (key_path("rsa.pub.pem"), key_path("jwks.json"));
    let all = judge(&by_secret, of_secret).await
        + judge(&["--jwt-key-file", text(&rsa)], of_rsa).await
        + judge(&["--jwks-file", text(&set)], of_set).await
        + judge(&narrowly, of_narrow).await;
    tell(&format!("{all} forged tokens"));
    assert!(all >= 180, "there are only {all}");
}
