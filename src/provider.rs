//! The OpenID Connect provider as the settings name it. It is asked for nothing before somebody signs in.

use zeroize::Zeroizing;

use crate::config::ServeSettings;
use crate::crypto::id_token::IdTokenRules;
use crate::data_directory::{read_certificate_file, read_secret_file};
use crate::failure::Failure;
use crate::http::fetch::UnusableAuthorities;
use crate::http::oidc::CALLBACK;
use crate::http::oidc_provider::{Provider, ProviderSettings};
use crate::http::public_url::PublicUrls;

/// What the provider's ID tokens must be; `None` without a provider.
#[must_use]
pub fn id_token_rules(settings: &ServeSettings) -> Option<IdTokenRules> {
    let sign_in = &settings.sign_in;
    Some(IdTokenRules {
        issuer: sign_in.oidc_issuer.clone()?,
        client_id: sign_in.oidc_client_id.clone()?,
        role_claim: sign_in.oidc_role_claim.clone(),
        rsa_algorithm: settings.tokens.jwt_rsa_algorithm.into(),
        leeway_seconds: settings.tokens.jwt_leeway_seconds,
    })
}

/// The provider; `None` without one.
///
/// # Errors
/// [`crate::failure::FailureKind::Configuration`] when a file cannot be used, or it is not known where browsers are to come back to.
pub fn connect(settings: &ServeSettings, public: &PublicUrls) -> Result<Option<Provider>, Failure> {
    let sign_in = &settings.sign_in;
    let (Some(issuer), Some(client_id)) = (&sign_in.oidc_issuer, &sign_in.oidc_client_id) else {
        return Ok(None);
    };
    let origin = public.origin().ok_or_else(|| {
        Failure::configuration(
            "with --oidc-issuer, the server must know where browsers come back to: name it with --public-url",
        )
    })?;
    let client_secret = match &sign_in.oidc_client_secret_file {
        Some(path) => {
            let content = read_secret_file(path)?;
            let text = str::from_utf8(&content).unwrap_or_default().trim();
            if text.is_empty() {
                return Err(Failure::configuration(format!(
                    "{} holds no secret",
                    path.display()
                )));
            }
            Some(Zeroizing::new(text.to_owned()))
        }
        None => None,
    };
    let authorities = match &sign_in.oidc_ca_file {
        Some(path) => Some(read_certificate_file(path)?),
        None => None,
    };
    let provider = Provider::new(ProviderSettings {
        issuer: issuer.clone(),
        client_id: client_id.clone(),
        client_secret,
        label: sign_in.oidc_label.clone(),
        authorities,
        redirect_url: format!("{origin}{CALLBACK}"),
    });
    provider.map(Some).map_err(|UnusableAuthorities| {
        Failure::configuration(match &sign_in.oidc_ca_file {
            Some(path) => format!(
                "{} holds no certificates that the provider could be known by: name a file in PEM form with --oidc-ca-file",
                path.display()
            ),
            None => "the system trusts no authorities that the provider could be known by: install them, or name a file in PEM form with --oidc-ca-file".to_owned(),
        })
    })
}
