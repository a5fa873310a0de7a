//! "Did you mean": the candidate that a misspelt name is closest to.

/// Names longer than this are not compared: the work grows with the product of the lengths.
const MAX_LEN: usize = 64;

/// The candidate nearest to `name`, if one is near enough to be meant: the same but for letter case
/// and `_`/`-`, or at most a third of the name's characters (at least one) inserted, deleted, changed
/// or swapped with a neighbour. The first of equally near candidates wins.
///
/// ```
/// use doge_core::diag::nearest;
/// assert_eq!(nearest("probabilty", ["to", "probability", "emit"]), Some("probability"));
/// assert_eq!(nearest("colour", ["to", "probability", "emit"]), None);
/// ```
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = folded(name);
    if wanted.is_empty() || wanted.len() > MAX_LEN {
        return None;
    }
    let limit = if wanted.len() < 2 { 0 } else { (wanted.len() / 3).max(1) };
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let have = folded(candidate);
        if have.len() > MAX_LEN || have.len().abs_diff(wanted.len()) > limit {
            continue;
        }
        // A name of two letters is near to too many.
        if wanted.len() == 2 && have.first() != wanted.first() {
            continue;
        }
        let d = distance(&wanted, &have);
        if d <= limit && best.is_none_or(|(b, _)| d < b) {
            best = Some((d, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn folded(name: &str) -> Vec<char> {
    name.chars().map(|c| if c == '-' || c == ' ' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// Optimal string alignment: Levenshtein's distance with swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for j in 0..b.len() {
            let mut d = (last[j] + usize::from(a[i] != b[j])).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                d = d.min(before[j - 1] + 1);
            }
            row.push(d);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        let d = |a: &str, b: &str| distance(&folded(a), &folded(b));
        assert_eq!(d("emit", "emit"), 0);
        assert_eq!(d("emti", "emit"), 1);
        assert_eq!(d("emits", "emit"), 1);
        assert_eq!(d("", "emit"), 4);
        assert_eq!(d("kitten", "sitting"), 3);
    }

    #[test]
    fn ignores_case_and_dashes() {
        assert_eq!(nearest("Last-Payment", ["x", "last_payment"]), Some("last_payment"));
        assert_eq!(nearest("to", ["do"]), None);
    }
}
