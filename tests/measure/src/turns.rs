//! Pieces of work that take turns, each repeated until the clock can see it.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::figures::Spread;
use crate::process::cpu_time;

/// How often each arm gets its turn, and how long a turn lasts at least.
#[derive(Clone, Copy)]
pub struct Turns {
    count: usize,
    lasts: Duration,
}

impl Turns {
    /// For figures that count.
    pub fn full(count: usize) -> Self {
        Self { count, lasts: Duration::from_millis(300) }
    }

    /// For a look.
    pub fn quick() -> Self {
        Self { count: 3, lasts: Duration::from_millis(80) }
    }
}

impl fmt::Display for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pairs, each half repeated for at least {} ms", self.count, self.lasts.as_millis())
    }
}

/// Something to measure.
pub type Arm<'a> = Box<dyn FnMut() -> Result<()> + 'a>;

/// Seconds of one piece of work.
#[derive(Clone, Copy)]
pub struct Taken {
    /// By the clock.
    pub wall: f64,
    /// Of all threads of this process.
    pub cpu: f64,
}

/// What one arm took, turn by turn.
pub struct Times(Vec<Taken>);

impl Times {
    /// Milliseconds by the clock.
    pub fn wall_ms(&self) -> Spread {
        Spread::of(self.0.iter().map(|taken| taken.wall * 1e3))
    }

    /// The medians of both clocks.
    pub fn median(&self) -> Taken {
        let of = |of: fn(&Taken) -> f64| Spread::of(self.0.iter().map(of)).median;
        Taken { wall: of(|taken| taken.wall), cpu: of(|taken| taken.cpu) }
    }

    /// How often the work can be done in a second of CPU time.
    pub fn per_cpu_second(&self) -> Spread {
        Spread::of(self.0.iter().map(|taken| 1.0 / taken.cpu))
    }

    /// Ratios to another arm, turn by turn.
    pub fn to(&self, least: &Self, of: impl Fn(&Taken) -> f64) -> Spread {
        Spread::of(self.0.iter().zip(&least.0).map(|(ours, least)| of(ours) / of(least)))
    }
}

/// Gives every arm its turns, in their order: the first turn of all is not counted.
///
/// # Errors
/// Those of the arms.
pub fn take_turns<const N: usize>(turns: Turns, mut arms: [Arm<'_>; N]) -> Result<[Times; N]> {
    let mut times = [(); N].map(|()| Times(Vec::with_capacity(turns.count)));
    for arm in &mut arms {
        arm()?;
    }
    for _ in 0..turns.count {
        for (arm, times) in arms.iter_mut().zip(&mut times) {
            times.0.push(repeat(turns.lasts, arm)?);
        }
    }
    Ok(times)
}

fn repeat(lasts: Duration, work: &mut Arm<'_>) -> Result<Taken> {
    let (begun, cpu, mut times) = (Instant::now(), cpu_time(), 0_u32);
    while begun.elapsed() < lasts {
        black_box(work()?);
        times += 1;
    }
    let of_one = |all: Duration| all.as_secs_f64() / f64::from(times);
    Ok(Taken { wall: of_one(begun.elapsed()), cpu: of_one(cpu_time() - cpu) })
}
