//! Which partition a message goes to: the one that a Java producer would choose for the same key.
//!
//! librdkafka has the same function (`partitioner=murmur2_random`), but puts messages without a key
//! anywhere, and counts partitions anew when a topic grows in the middle of a run.

/// MurmurHash2, 32 bits, with the seed and the little-endian words of Kafka's
/// `org.apache.kafka.common.utils.Utils.murmur2`.
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let mut h: u32 = 0x9747_b28c ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            h ^= u32::from(*byte) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

/// The partition of a message among `count`, at least 1: by its key as Java's default partitioner does;
/// without a key by the text of its subject's id, which is what the key is where a model names none.
pub fn partition(key: Option<&[u8]>, id: u64, count: u32) -> i32 {
    let hash = match key {
        Some(key) => murmur2(key),
        None => {
            let mut digits = [0_u8; 20];
            let mut from = digits.len();
            let mut left = id;
            loop {
                from -= 1;
                digits[from] = b'0' + (left % 10) as u8;
                left /= 10;
                if left == 0 {
                    break;
                }
            }
            murmur2(&digits[from..])
        }
    };
    ((hash & 0x7fff_ffff) % count.max(1)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_is_that_of_java() {
        // From Kafka's own `UtilsTest.testMurmur2`.
        let cases: [(&[u8], i32); 7] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
        ];
        for (text, want) in cases {
            assert_eq!(murmur2(text) as i32, want, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn without_a_key_the_subject_decides() {
        for id in [0, 7, 10, 1_234_567_890_123, u64::MAX] {
            let text = id.to_string();
            assert_eq!(partition(None, id, 12), partition(Some(text.as_bytes()), 1, 12));
        }
        let used: std::collections::BTreeSet<i32> =
            (0..100).map(|id| partition(None, id, 6)).collect();
        assert_eq!(used, (0..6).collect());
    }
}
