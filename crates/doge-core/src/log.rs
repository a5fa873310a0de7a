//! The logarithm of the waiting time: `ln((w + 1) / 2^64)` of a random word `w`.
//!
//! It is part of the law: its table, its polynomial and its order of operations are frozen, so that
//! every machine draws the same wait. The word is used as the integer it is, never as a rounded
//! double, so that small and large waits are exact to the last of its 64 bits.
//!
//! With `v = w + 1 = m * 2^-lz`, `m` in `[2^63, 2^64)`: the top ten bits of `m` name one of 512
//! intervals of `[0.5, 1)`, with centre `c` (the last interval has centre 1, so that the result
//! goes to 0 exactly). `z = (m - c * 2^64) * (2^-64 / c)` is at most 2^-10 in size, and
//! `ln = (ln(c) + (z + (-z^2/2 + z^3/3 - z^4/4))) - lz * ln(2)`, in this order. The error is below
//! 2^-50 * max(1, |ln|) (0.3 of that at its worst over the ends of all 32768 pieces). The method is
//! Tang's ("Table-driven implementation of the logarithm function in IEEE floating-point arithmetic",
//! ACM TOMS 16, 1990).
//!
//! It never falls where the word grows. Within a piece `z` does not, and a step of `z` outweighs the
//! rounding of what is added to it; from one piece to the next the tests look at every border. That
//! `lz * ln(2)` comes last is what lets the borders of one `lz` answer for those of all.
//!
//! The normal, exponential and Pareto distributions use it too. Other logarithms are `libm`'s.

const LN_2: f64 = f64::from_bits(0x3fe6_2e42_fefa_39ef);

/// Centre of interval `i`, times 2^64 (as 2^54 units: `c * 2048 * 2^53`); the last is 2^64.
const fn centre(i: usize) -> u64 {
    if i == 511 { 0 } else { ((2 * (512 + i) + 1) as u64) << 53 }
}

/// `2^-64 / c`: centres are exact doubles, so this is one correctly rounded division.
static SCALE: [f64; 512] = {
    let mut table = [0.0; 512];
    let mut i = 0;
    while i < 512 {
        let c = if i == 511 { 2048.0 } else { (2 * (512 + i) + 1) as f64 };
        // 2^-64 / (c / 2048), with powers of two that round nothing.
        table[i] = (2048.0 / c) * (1.0 / 18_446_744_073_709_551_616.0);
        i += 1;
    }
    table
};

/// `ln((w + 1) / 2^64)`: never above 0, and 0 for the largest word.
///
/// ```
/// assert_eq!(doge_core::log::ln_unit(u64::MAX), 0.0);
/// let half = doge_core::log::ln_unit((1 << 63) - 1);
/// assert!((half + std::f64::consts::LN_2).abs() < 1e-15);
/// ```
#[inline]
pub fn ln_unit(w: u64) -> f64 {
    let v = w.wrapping_add(1);
    // No early return for v = 0: told that v is not 0, a compiler for plain x86-64 counts its zeros by a
    // bare `bsr`, which waits for the last value of its target register, and so for the draw before
    // (14 ns in place of 4).
    let lz = v.leading_zeros();
    let m = v.wrapping_shl(lz);
    let i = ((m >> 54) & 511) as usize;
    // Wraps to the signed distance from the centre; for the last interval the centre is 2^64 = 0.
    let d = m.wrapping_sub(centre(i)) as i64;
    let z = d as f64 * SCALE[i];
    let tail = z * z * (-0.5 + z * (1.0 / 3.0 + z * -0.25));
    let ln = (f64::from_bits(LN_CENTRE[i]) + (z + tail)) - f64::from(lz) * LN_2;
    if v == 0 { 0.0 } else { ln }
}

/// `ln(c)` of the 512 interval centres as bits of doubles; see the module's head.
#[rustfmt::skip]
static LN_CENTRE: [u64; 512] = [
    0xbfe62643fecf9743, 0xbfe6164bfa7cc06b, 0xbfe6065bea385926, 0xbfe5f673c61a2ed2,
    0xbfe5e6938645d390, 0xbfe5d6bb22ea86f6, 0xbfe5c6ea94431ef9, 0xbfe5b721d295f10f,
    0xbfe5a760d634bb8b, 0xbfe597a7977c8f31, 0xbfe587f60ed5b900, 0xbfe5784c34b3ac31,
    0xbfe568aa0194ec6f, 0xbfe5590f6e02f842, 0xbfe5497c729233af, 0xbfe539f107e1d30a,
    0xbfe52a6d269bc600, 0xbfe51af0c774a2d0, 0xbfe50b7be32b91b5, 0xbfe4fc0e728a3886,
    0xbfe4eca86e64a684, 0xbfe4dd49cf994058, 0xbfe4cdf28f10ac46, 0xbfe4bea2a5bdbe87,
    0xbfe4af5a0c9d65d7, 0xbfe4a018bcb69835, 0xbfe490deaf1a3fc8, 0xbfe481abdce327f6,
    0xbfe472803f35eaae, 0xbfe4635bcf40ddcf, 0xbfe4543e863c00ca, 0xbfe445285d68ea69,
    0xbfe436194e12b6bf, 0xbfe42711518df545, 0xbfe4181061389722, 0xbfe409167679dd9a,
    0xbfe3fa238ac248a5, 0xbfe3eb37978b85b5, 0xbfe3dc5296585e9e, 0xbfe3cd7480b4a8a3,
    0xbfe3be9d503533b5, 0xbfe3afccfe77b9d1, 0xbfe3a1038522ce82, 0xbfe39240dde5ce92,
    0xbfe383850278cfd9, 0xbfe374cfec9c9131, 0xbfe36621961a6a99, 0xbfe35779f8c43d6e,
    0xbfe348d90e7464d0, 0xbfe33a3ed10da62d, 0xbfe32bab3a7b21e8, 0xbfe31d1e44b0442a,
    0xbfe30e97e9a8b5cd, 0xbfe3001823684d73, 0xbfe2f19eebfb00b9, 0xbfe2e32c3d74d58b,
    0xbfe2d4c011f1d39a, 0xbfe2c65a6395f5f5, 0xbfe2b7fb2c8d1cc1, 0xbfe2a9a2670aff0c,
    0xbfe29b500d4b1ccb, 0xbfe28d041990b0eb, 0xbfe27ebe8626a387, 0xbfe2707f4d5f7c41,
    0xbfe26246699554af, 0xbfe25413d529caee, 0xbfe245e78a85f452, 0xbfe237c1841a502e,
    0xbfe229a1bc5ebac3, 0xbfe21b882dd26040, 0xbfe20d74d2fbafe5, 0xbfe1ff67a6684f46,
    0xbfe1f160a2ad0da4, 0xbfe1e35fc265d75e, 0xbfe1d5650035a98b, 0xbfe1c77056c685a0,
    0xbfe1b981c0c9653d, 0xbfe1ab9938f62e0a, 0xbfe19db6ba0ba5b6, 0xbfe18fda3ecf6611,
    0xbfe18203c20dd133, 0xbfe174333e9a05d1, 0xbfe16668af4dd396, 0xbfe158a40f09afa5,
    0xbfe14ae558b4a92d, 0xbfe13d2c873c5e14, 0xbfe12f799594efbc, 0xbfe121cc7eb8f7e6,
    0xbfe114253da97d9f, 0xbfe10683cd6dea53, 0xbfe0f8e82913feef, 0xbfe0eb524bafc918,
    0xbfe0ddc2305b9886, 0xbfe0d037d237f464, 0xbfe0c2b32c6b90d1, 0xbfe0b5343a234477,
    0xbfe0a7baf691fe34, 0xbfe09a475cf0badc, 0xbfe08cd9687e7b0e, 0xbfe07f7114803920,
    0xbfe0720e5c40df1c, 0xbfe064b13b113cde, 0xbfe05759ac47fe34, 0xbfe04a07ab41a122,
    0xbfe03cbb33606c36, 0xbfe02f74400c64eb, 0xbfe02232ccb34624, 0xbfe014f6d4c876be,
    0xbfe007c053c5002e, 0xbfdff51e8a4f0a75, 0xbfdfdac748e8717d, 0xbfdfc07ada69a910,
    0xbfdfa63935f1208d, 0xbfdf8c0252a83115, 0xbfdf71d627c30bb0, 0xbfdf57b4ac80a79a,
    0xbfdf3d9dd82ab0af, 0xbfdf2391a2157600, 0xbfdf0990019fd887, 0xbfdeef98ee3339ff,
    0xbfded5ac5f436be3, 0xbfdebbca4c4e9e87, 0xbfdea1f2acdd505d, 0xbfde882578823d52,
    0xbfde6e62a6da4e55, 0xbfde54aa2f8c88fa, 0xbfde3afc0a49ff40, 0xbfde21582ecdbf74,
    0xbfde07be94dcc439, 0xbfddee2f3445e4af, 0xbfddd4aa04e1c4b6, 0xbfddbb2efe92c554,
    0xbfdda1be1944f538, 0xbfdd88574cee015e, 0xbfdd6efa918d25cd, 0xbfdd55a7df2b1e7a,
    0xbfdd3c5f2dda1840, 0xbfdd232075b5a201, 0xbfdd09ebaee29dd8, 0xbfdcf0c0d18f326f,
    0xbfdcd79fd5f2bc76, 0xbfdcbe88b44dc02b, 0xbfdca57b64e9db05, 0xbfdc8c77e019b580,
    0xbfdc737e1e38f4fb, 0xbfdc5a8e17ac2db4, 0xbfdc41a7c4e0d4e7, 0xbfdc28cb1e4d32fd,
    0xbfdc0ff81c7055dd, 0xbfdbf72eb7d20355, 0xbfdbde6ee902ab9e, 0xbfdbc5b8a89b5bf8,
    0xbfdbad0bef3db165, 0xbfdb9468b593cb75, 0xbfdb7bcef4503f36, 0xbfdb633ea42e0a33,
    0xbfdb4ab7bdf08592, 0xbfdb323a3a635948, 0xbfdb19c6125a6f6b, 0xbfdb015b3eb1e790,
    0xbfdae8f9b84e0a50, 0xbfdad0a1781b3cd9, 0xbfdab852770df49c, 0xbfdaa00cae22ab12,
    0xbfda87d0165dd199, 0xbfda6f9ca8cbc563, 0xbfda57725e80c383, 0xbfda3f513098dd09,
    0xbfda27391837eb3d, 0xbfda0f2a0e8983e6, 0xbfd9f7240cc0edb1, 0xbfd9df270c1914a8,
    0xbfd9c73305d47ebb, 0xbfd9af47f33d406c, 0xbfd99765cda4f17d, 0xbfd97f8c8e64a1c8,
    0xbfd967bc2edcce17, 0xbfd94ff4a8755521, 0xbfd93835f49d6c95, 0xbfd920800ccb9636,
    0xbfd908d2ea7d9512, 0xbfd8f12e873862c8, 0xbfd8d992dc8824e5, 0xbfd8c1ffe4002250,
    0xbfd8aa75973ab8cf, 0xbfd892f3efd9529d, 0xbfd87b7ae7845c0f, 0xbfd8640a77eb3956,
    0xbfd84ca29ac43c47, 0xbfd8354349cc9a40, 0xbfd81dec7ec8621a, 0xbfd8069e33827231,
    0xbfd7ef5861cc6e78, 0xbfd7d81b037eb6a6, 0xbfd7c0e612785c73, 0xbfd7a9b9889f19e2,
    0xbfd792955fdf47a2, 0xbfd77b79922bd37e, 0xbfd76466197e36de, 0xbfd74d5aefd66d5c,
    0xbfd736580f3aeb65, 0xbfd71f5d71b894f0, 0xbfd7086b1162b43f, 0xbfd6f180e852f0ba,
    0xbfd6da9ef0a945d2, 0xbfd6c3c5248bf9f6, 0xbfd6acf37e27959f, 0xbfd69629f7aeda5e,
    0xbfd67f688b5aba0a, 0xbfd668af336a4df3, 0xbfd651fdea22ce24, 0xbfd63b54a9cf88bf,
    0xbfd624b36cc1d95c, 0xbfd60e1a2d51207f, 0xbfd5f788e5dabb17, 0xbfd5e0ff90c1fa16,
    0xbfd5ca7e28701a0c, 0xbfd5b404a7543ad7, 0xbfd59d9307e35762, 0xbfd5872944983d70,
    0xbfd570c757f38577, 0xbfd55a6d3c7b8a8a, 0xbfd5441aecbc624b, 0xbfd52dd06347d4f6,
    0xbfd5178d9ab55570, 0xbfd501528da1f968, 0xbfd4eb1f36b07184, 0xbfd4d4f3908901a0,
    0xbfd4becf95d97913, 0xbfd4a8b341552b09, 0xbfd4929e8db4e6e4, 0xbfd47c9175b6f0ad,
    0xbfd4668bf41ef994, 0xbfd4508e03b61878, 0xbfd43a979f4ac27e, 0xbfd424a8c1b0c3b9,
    0xbfd40ec165c137d6, 0xbfd3f8e1865a82de, 0xbfd3e3091e6049fb, 0xbfd3cd3828bb6c50,
    0xbfd3b76ea059fbdb, 0xbfd3a1ac802f3664, 0xbfd38bf1c3337e75, 0xbfd3763e64645463,
    0xbfd360925ec44f5d, 0xbfd34aedad5b168b, 0xbfd335504b355a37, 0xbfd31fba3364cd04,
    0xbfd30a2b61001d2a, 0xbfd2f4a3cf22edc3, 0xbfd2df2378edd025, 0xbfd2c9aa59863d40,
    0xbfd2b4386c168f0c, 0xbfd29ecdabcdfa04, 0xbfd2896a13e086a4, 0xbfd2740d9f870afb,
    0xbfd25eb849ff2443, 0xbfd2496a0e8b3082, 0xbfd23422e8724838, 0xbfd21ee2d300381c,
    0xbfd209a9c9857ad8, 0xbfd1f477c75732db, 0xbfd1df4cc7cf242d, 0xbfd1ca28c64bae54,
    0xbfd1b50bbe2fc63b, 0xbfd19ff5aae2f02d, 0xbfd18ae687d139d0, 0xbfd175de506b3430,
    0xbfd160dd0025edd3, 0xbfd14be2927aecd4, 0xbfd136ef02e8290c, 0xbfd122024cf0063f,
    0xbfd10d1c6c194e5a, 0xbfd0f83d5bef2bb0, 0xbfd0e3651801234b, 0xbfd0ce939be30f41,
    0xbfd0b9c8e32d1911, 0xbfd0a504e97bb40c, 0xbfd09047aa6f97c6, 0xbfd07b9121adba90,
    0xbfd066e14adf4bfb, 0xbfd0523821b1af64, 0xbfd03d95a1d67686, 0xbfd028f9c7035c1c,
    0xbfd014648cf23e84, 0xbfcfffabdec234db, 0xbfcfd69bd4240b21, 0xbfcfad98f19652de,
    0xbfcf84a32ead7c35, 0xbfcf5bba83060a0e, 0xbfcf32dee64487bf, 0xbfcf0a1050157ed7,
    0xbfcee14eb82d6ce9, 0xbfceb89a1648b971, 0xbfce8ff2622babc7, 0xbfce675793a2611e,
    0xbfce3ec9a280c298, 0xbfce164886a27b67, 0xbfcdedd437eaef01, 0xbfcdc56cae452f5a,
    0xbfcd9d11e1a3f33b, 0xbfcd74c3ca018c9f, 0xbfcd4c825f5fdf20, 0xbfcd244d99c85674,
    0xbfccfc25714bdcfe, 0xbfccd409de02d264, 0xbfccabfad80d023c, 0xbfcc83f857919ac4,
    0xbfcc5c0254bf23a6, 0xbfcc3418c7cb74d3, 0xbfcc0c3ba8f3ad62, 0xbfcbe46af07c2a83,
    0xbfcbbca696b07e80, 0xbfcb94ee93e367cb, 0xbfcb6d42e06ec815, 0xbfcb45a374b39b81,
    0xbfcb1e104919efd0, 0xbfcaf6895610dbae, 0xbfcacf0e940e7600, 0xbfcaa79ffb8fcd46,
    0xbfca803d8518df05, 0xbfca58e729348f43, 0xbfca319ce074a00f, 0xbfca0a5ea371a911,
    0xbfc9e32c6acb0f2f, 0xbfc9bc062f26fc3a, 0xbfc994ebe93256a7, 0xbfc96ddd91a0b956,
    0xbfc946db212c6b68, 0xbfc91fe49096581b, 0xbfc8f8f9d8a606bc, 0xbfc8d21af229929b,
    0xbfc8ab47d5f5a310, 0xbfc884807ce5638f, 0xbfc85dc4dfda7bc3, 0xbfc83714f7bd07b6,
    0xbfc81070bd7b9008, 0xbfc7e9d82a0b022d, 0xbfc7c34b3666a8bb, 0xbfc79cc9db9023c0,
    0xbfc77654128f6127, 0xbfc74fe9d4729526, 0xbfc7298b1a4e32b6, 0xbfc70337dd3ce41b,
    0xbfc6dcf0165f8373, 0xbfc6b6b3bedd1352, 0xbfc69082cfe2b768, 0xbfc66a5d42a3ad34,
    0xbfc64443105944be, 0xbfc61e343242d95e, 0xbfc5f830a1a5ca91, 0xbfc5d23857cd74d5,
    0xbfc5ac4b4e0b2a8c, 0xbfc586697db62cf1, 0xbfc56092e02ba516, 0xbfc53ac76ece9ce5,
    0xbfc515072307f836, 0xbfc4ef51f6466de4, 0xbfc4c9a7e1fe80fa, 0xbfc4a408dfaa79da,
    0xbfc47e74e8ca5f7c, 0xbfc458ebf6e3f0ae, 0xbfc4336e03829d62, 0xbfc40dfb08378003,
    0xbfc3e892fe9956db, 0xbfc3c335e0447d74, 0xbfc39de3a6dae614, 0xbfc3789c4c041337,
    0xbfc3535fc96d1114, 0xbfc32e2e18c86f31, 0xbfc3090733ce39fa, 0xbfc2e3eb143bf462,
    0xbfc2bed9b3d49195, 0xbfc299d30c606ea7, 0xbfc274d717ad4c53, 0xbfc24fe5cf8e48c8,
    0xbfc22aff2ddbd971, 0xbfc206232c73c4d4, 0xbfc1e151c5391c73, 0xbfc1bc8af21436b3,
    0xbfc197ceacf2a8d6, 0xbfc1731cefc740ef, 0xbfc14e75b489fff0, 0xbfc129d8f53813af,
    0xbfc10546abd3d102, 0xbfc0e0bed264add8, 0xbfc0bc4162f73b65, 0xbfc097ce579d204d,
    0xbfc07365aa6d12dc, 0xbfc04f075582d348, 0xbfc02ab352ff25f4, 0xbfc006699d07cdc4,
    0xbfbfc4545b8f0ce6, 0xbfbf7be9fedbfde6, 0xbfbf3394185fa7a9, 0xbfbeeb529c8d136c,
    0xbfbea3257fe10f7a, 0xbfbe5b0cb6e22424, 0xbfbe1308362088d7, 0xbfbdcb17f2361935,
    0xbfbd833bdfc64a40, 0xbfbd3b73f37e1f9b, 0xbfbcf3c0221420cf, 0xbfbcac2060484eaa,
    0xbfbc6494a2e418a6, 0xbfbc1d1cdeba525f, 0xbfbbd5b908a7291b, 0xbfbb8e691590195f,
    0xbfbb472cfa63e492, 0xbfbb0004ac1a86ac, 0xbfbab8f01fb52bfb, 0xbfba71ef4a3e26ef,
    0xbfba2b0220c8e5f5, 0xbfb9e4289871e962, 0xbfb99d62a65eb96f, 0xbfb956b03fbddc38,
    0xbfb9101159c6cbd8, 0xbfb8c985e9b9ec84, 0xbfb8830de4e082bf, 0xbfb83ca9408ca993,
    0xbfb7f657f21948df, 0xbfb7b019eeea0bab, 0xbfb769ef2c6b568d, 0xbfb723d7a0123e1e,
    0xbfb6ddd33f5c7d76, 0xbfb697e1ffd06cb6, 0xbfb65203d6fcf7a8, 0xbfb60c38ba79945d,
    0xbfb5c6809fe639e2, 0xbfb580db7ceb5702, 0xbfb53b494739c90c, 0xbfb4f5c9f48ad2b0,
    0xbfb4b05d7aa012e0, 0xbfb46b03cf437bc4, 0xbfb425bce84749b3, 0xbfb3e088bb85fa40,
    0xbfb39b673ee2434f, 0xbfb3565868470a32, 0xbfb3115c2da75ade, 0xbfb2cc7284fe5f1c,
    0xbfb2879b644f55d5, 0xbfb242d6c1a58a5c, 0xbfb1fe2493144bd2, 0xbfb1b984ceb6e487,
    0xbfb174f76ab09171, 0xbfb1307c5d2c79ac, 0xbfb0ec139c5da601, 0xbfb0a7bd1e7ef87d,
    0xbfb06378d9d32412, 0xbfb01f46c4a4a445, 0xbfafb64daa8b69c2, 0xbfaf2e3204209373,
    0xbfaea63a82cc0cf9, 0xbfae1e6713606d07, 0xbfad96b7a2bf8976, 0xbfad0f2c1dda671c,
    0xbfac87c471b129bd, 0xbfac00808b53040f, 0xbfab796057de27d7, 0xbfaaf263c47fb615,
    0xbfaa6b8abe73af4c, 0xbfa9e4d53304e3d9, 0xbfa95e430f8ce45e, 0xbfa8d7d44173f249,
    0xbfa85188b630f068, 0xbfa7cb605b495391, 0xbfa7455b1e511365, 0xbfa6bf78ecea9b1e,
    0xbfa639b9b4c6ba7a, 0xbfa5b41d63a496af, 0xbfa52ea3e7519b80, 0xbfa4a94d2da96c56,
    0xbfa424192495d57d, 0xbfa39f07ba0ebd62, 0xbfa31a18dc1a15f7, 0xbfa2954c78cbce1b,
    0xbfa210a27e45c31a, 0xbfa18c1adab7b245, 0xbfa107b57c5f2a96, 0xbfa0837251877e65,
    0xbf9ffea291136a6f, 0xbf9ef6a49f98fb39, 0xbf9deeeaab883e37, 0xbf9ce77491e4d86c,
    0xbf9be0422fcd68f6, 0xbf9ad953627b6d5b, 0xbf99d2a8074325f4, 0xbf98cc3ffb937a82,
    0xbf97c61b1cf5dee0, 0xbf96c039490e37df, 0xbf95ba9a5d9ac039, 0xbf94b53e3873edb7,
    0xbf93b024b78c5669, 0xbf92ab4db8f0960b, 0xbf91a6b91ac73386, 0xbf90a266bb508697,
    0xbf8f3cacf1cd3b27, 0xbf8d351063fa46a3, 0xbf8b2df78a428a63, 0xbf89276221f3328b,
    0xbf87214fe88c0939, 0xbf851bc09bbf435c, 0xbf8316b3f9714dc7, 0xbf811229bfb89a87,
    0xbf7e1c4359badcfb, 0xbf7a1536feb35e5c, 0xbf760f2debb161b7, 0xbf720a279e6e09a7,
    0xbf6c0c472a092015, 0xbf6406429be3c73c, 0xbf58048120511854, 0x0000000000000000,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The words around every end of every piece: 64 sizes of 512 intervals.
    fn borders() -> Vec<u64> {
        let mut words: Vec<u64> = (0..64)
            .flat_map(|lz| (512..=1023_u64).map(move |i| i << 54 >> lz))
            .flat_map(|border| (0..6).map(move |k| border.wrapping_sub(4).wrapping_add(k)))
            .chain([0, 1, 2, u64::MAX - 2, u64::MAX - 1, u64::MAX])
            .collect();
        words.sort_unstable();
        words.dedup();
        words
    }

    #[test]
    fn never_falls_and_is_never_positive() {
        let mut before = f64::NEG_INFINITY;
        for w in borders() {
            let now = ln_unit(w);
            assert!(before <= now && now <= 0.0, "{w:#x}: {before} {now}");
            before = now;
        }
        assert_eq!(before.to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn never_falls_from_a_word_to_the_next() {
        for start in (0..2000).map(|k| crate::draw::mix64(k) >> (k % 64)) {
            for w in start..start.saturating_add(200) {
                assert!(ln_unit(w) <= ln_unit(w.saturating_add(1)), "{w:#x}");
            }
        }
    }

    #[test]
    fn agrees_with_libm_where_a_double_holds_the_word() {
        let mut w = 1u64;
        for k in 0..200_000u64 {
            w = crate::draw::mix64(w.wrapping_add(k));
            let v = (w >> 11) + 1;
            let word = (v << 11) - 1;
            let want = libm::log(v as f64 / 9_007_199_254_740_992.0);
            let got = ln_unit(word);
            assert!((got - want).abs() <= 9e-16 * want.abs().max(1.0), "{word}: {got} {want}");
        }
    }
}
