//! The draws of Python's `random.Random(seed).sample`, so that solved questions
//! are those that lm-evaluation-harness draws.

/// The Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), seeded as Python
/// seeds it.
pub(super) struct PythonRandom {
    state: [u32; N],
    next: usize,
}

const N: usize = 624;
const M: usize = 397;

impl PythonRandom {
    /// `random.Random(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut state = [0_u32; N];
        state[0] = 19_650_218;
        for i in 1..N {
            let last = state[i - 1];
            state[i] = 1_812_433_253_u32
                .wrapping_mul(last ^ (last >> 30))
                .wrapping_add(i as u32);
        }
        // init_by_array with the seed as its only word.
        let mix = |state: &[u32; N], i: usize, factor: u32| {
            let last = state[i - 1];
            state[i] ^ (last ^ (last >> 30)).wrapping_mul(factor)
        };
        let mut i = 1;
        let go_on = |state: &mut [u32; N], i: &mut usize| {
            *i += 1;
            if *i >= N {
                state[0] = state[N - 1];
                *i = 1;
            }
        };
        for _ in 0..N {
            state[i] = mix(&state, i, 1_664_525).wrapping_add(seed);
            go_on(&mut state, &mut i);
        }
        for _ in 1..N {
            state[i] = mix(&state, i, 1_566_083_941).wrapping_sub(i as u32);
            go_on(&mut state, &mut i);
        }
        state[0] = 0x8000_0000;
        Self { state, next: N }
    }

    /// `random.sample(range(n), k)`, or all of the range in a drawn order where it
    /// has no more than `k`.
    pub fn sample(&mut self, n: usize, k: usize) -> Vec<usize> {
        let k = k.min(n);
        let mut set_size = 21;
        if k > 5 {
            // 4 ** ceil(log(3 k, 4)), for which Python takes floating point.
            let exponent = ((k * 3) as f64).ln() / 4_f64.ln();
            set_size += 4_usize.pow(exponent.ceil() as u32);
        }
        if n <= set_size {
            let mut pool: Vec<usize> = (0..n).collect();
            return (0..k)
                .map(|i| {
                    let j = self.below(n - i);
                    let drawn = pool[j];
                    pool[j] = pool[n - i - 1];
                    drawn
                })
                .collect();
        }
        let mut drawn: Vec<usize> = Vec::with_capacity(k);
        for _ in 0..k {
            let mut j = self.below(n);
            while drawn.contains(&j) {
                j = self.below(n);
            }
            drawn.push(j);
        }
        drawn
    }

    /// A number below `n`, which is not 0 and has at most 32 bits.
    fn below(&mut self, n: usize) -> usize {
        let n_bits = n.ilog2() + 1;
        loop {
            let drawn = (self.next_u32() >> (32 - n_bits)) as usize;
            if drawn < n {
                return drawn;
            }
        }
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == N {
            for i in 0..N {
                let (upper, lower) = (self.state[i], self.state[(i + 1) % N]);
                let y = (upper & 0x8000_0000) | (lower & 0x7fff_ffff);
                let twist = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ twist;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `r = random.Random(1234)` and `r.sample(range(n), k)` in CPython 3.11.
    #[test]
    fn draws_are_those_of_python() {
        let mut random = PythonRandom::new(1234);
        let mut check = |n, k, expected: &[usize]| assert_eq!(random.sample(n, k), expected);
        check(7473, 5, &[6374, 3610, 957, 61, 742]);
        check(7473, 5, &[7462, 6610, 4769, 286, 5501]);
        check(
            1119,
            25,
            &[
                171, 201, 726, 484, 35, 63, 32, 708, 991, 949, 304, 186, 374, 234, 29, 1030, 996,
                511, 132, 1108, 954, 140, 182, 1054, 94,
            ],
        );
        check(20, 5, &[8, 17, 2, 9, 15]);
        check(
            60,
            25,
            &[
                54, 22, 17, 15, 41, 12, 29, 33, 42, 1, 32, 4, 0, 21, 9, 30, 51, 24, 10, 3, 48, 37,
                31, 55, 39,
            ],
        );
        check(9, 9, &[8, 3, 1, 0, 2, 5, 4, 7, 6]);
        check(40398, 5, &[29762, 2594, 27279, 18139, 2634]);
    }
}
