//! Text that people type: normalised, compared and searched by one Unicode release, that of ICU4X.

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

/// The canonical composition of `text` (Unicode Standard Annex 15, NFC).
#[must_use]
pub fn normalize(text: &str) -> String {
    ComposingNormalizer::new_nfc().normalize(text).into_owned()
}

/// The form by which texts are one and the same without regard to case or width: the compatibility caseless
/// form of the Unicode Standard (section 3.13, definition D146).
#[must_use]
pub fn fold(text: &str) -> String {
    let fold = CaseMapper::new();
    let compose = ComposingNormalizer::new_nfkc();
    let decomposed = DecomposingNormalizer::new_nfd().normalize(text);
    let once = fold.fold_string(&decomposed);
    let composed = compose.normalize(&once);
    let twice = fold.fold_string(&composed);
    compose.normalize(&twice).into_owned()
}

/// Whether `character` may stand in a name: neither a control, format, private-use or unassigned character,
/// nor a line or paragraph separator, nor one that is invisible by default. Such names could not be told apart,
/// or would forge lines of a log.
#[must_use]
pub fn is_nameable(character: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    let refused = matches!(
        category,
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::Surrogate
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    );
    !refused && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
}
