//! Random functions: from words of a draw to values. One file each.
