//! The little of protobuf that files for other programs need: fields of a message, in
//! the order in which they are put.

/// Puts a whole number.
pub(super) fn put_varint(to: &mut Vec<u8>, field: u32, value: u64) {
    varint(to, u64::from(field) << 3);
    varint(to, value);
}

/// Puts a text or a message.
pub(super) fn put_bytes(to: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    varint(to, u64::from(field) << 3 | 2);
    varint(to, bytes.len() as u64);
    to.extend(bytes);
}

/// Puts a number of 32 bits.
pub(super) fn put_f32(to: &mut Vec<u8>, field: u32, value: f32) {
    varint(to, u64::from(field) << 3 | 5);
    to.extend(value.to_le_bytes());
}

/// Puts a number of 64 bits.
pub(super) fn put_f64(to: &mut Vec<u8>, field: u32, value: f64) {
    varint(to, u64::from(field) << 3 | 1);
    to.extend(value.to_le_bytes());
}

/// Seven bits a byte, the lowest first.
fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_seven_bits_each() {
        for (value, want) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (u64::MAX, &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
        ] {
            let mut bytes = Vec::new();
            varint(&mut bytes, value);
            assert_eq!(bytes, want);
        }
    }

    /// As protobuf's documentation has them: the number of a field above 15 takes two bytes.
    #[test]
    fn fields_have_their_number_and_kind_in_front() {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, 1, 150);
        put_bytes(&mut bytes, 2, b"testing");
        put_bytes(&mut bytes, 17, b"x");
        let want = [
            &[0x08, 0x96, 0x01][..],
            &[0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67],
            &[0x8a, 0x01, 0x01, b'x'],
        ];
        assert_eq!(bytes, want.concat());
    }
}
