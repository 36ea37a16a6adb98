//! Where a request holds its signature.

use super::error::VerifyError;
use std::borrow::Cow;

/// The header that holds the signature.
pub const SIGNATURE_HEADER: &str = "x-chatworkwebhooksignature";

/// The query parameter that holds the same signature, percent-encoded.
pub const SIGNATURE_PARAMETER: &str = "chatwork_webhook_signature";

/// The signature of a request: the value of [`SIGNATURE_HEADER`], or else what the query (the part of the address
/// after `?`, as it came) has for [`SIGNATURE_PARAMETER`].
///
/// ```
/// use kaiwa::chatwork::webhook::signature;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// assert_eq!(signature(Some("rgvt="), None)?, "rgvt=");
/// assert_eq!(signature(None, Some("room=1&chatwork_webhook_signature=rgvt%3d"))?, "rgvt=");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`VerifyError::MissingSignature`] if there is neither.
pub fn signature<'a>(header: Option<&'a str>, query: Option<&'a str>) -> Result<Cow<'a, str>, VerifyError> {
    if let Some(header) = header {
        return Ok(Cow::Borrowed(header));
    }
    let parameters = query.unwrap_or_default().split('&').filter_map(|parameter| parameter.split_once('='));
    let value = parameters.filter(|(name, _)| *name == SIGNATURE_PARAMETER).map(|(_, value)| value).next();
    // A `+` stays one: base64 has it, and the service encodes this as a URL, not as a form.
    let value = value.ok_or(VerifyError::MissingSignature)?;
    percent_encoding::percent_decode_str(value).decode_utf8().map_err(|_| VerifyError::BadSignature)
}
