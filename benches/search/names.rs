//! Names as people give them: a service, what it is for, where, and a number.

const SYLLABLES: [&str; 40] = [
    "ka", "lo", "mi", "ra", "to", "ven", "dor", "sal", "pre", "tion", "ber", "gra", "nix", "qua",
    "zel", "hu", "fy", "cor", "net", "pay", "mail", "data", "cloud", "sto", "line", "web", "lab",
    "bit", "hub", "log", "map", "sec", "dev", "ops", "bot", "crm", "erp", "iot", "sms", "gpt",
];
const PLACES: [&str; 6] = ["prod", "staging", "test", "eu-west", "us-east", "local"];

/// So many names, none twice, always the same ones.
pub fn make(count: usize) -> Vec<String> {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut next = |limit: usize| {
        // Xorshift: any spread will do.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(limit).unwrap()).unwrap()
    };
    (0..count)
        .map(|number| {
            let mut word = |syllables: usize| -> String {
                (0..syllables)
                    .map(|_| SYLLABLES[next(SYLLABLES.len())])
                    .collect()
            };
            let (service, purpose) = (word(3), word(2));
            let place = PLACES[number % PLACES.len()];
            format!("{service}-{purpose}-{place}-api-key-{number}")
        })
        .collect()
}
