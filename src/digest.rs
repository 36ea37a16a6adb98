//! FNV-1a of 64 bits: a digest that is the same in every process and version, for saved data. The standard library does not
//! promise this for its own hashes. It is not cryptographic.

/// The digest of an empty input.
pub(crate) const FNV1A: u64 = 0xcbf2_9ce4_8422_2325;

/// The digest of the input of `hash` followed by `bytes`.
pub(crate) fn fnv1a(hash: u64, bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The digest of some texts, in hexadecimal. A byte that no text has separates them.
pub(crate) fn digest<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let hash = texts.into_iter().fold(FNV1A, |hash, text| fnv1a(hash, text.as_ref().bytes().chain([0xff])));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors_hold() {
        assert_eq!(fnv1a(FNV1A, "".bytes()), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(FNV1A, "foobar".bytes()), 0x8594_4171_f739_67e8);
    }
}
