//! Looking at what power cuts may have left: of one workload after the other, until there
//! were so many images; or until a planted bug is seen.

use std::fmt;
use std::time::Instant;

use annals::planted::Bug;
use annals_fuzz::numbers::Numbers;
use annals_fuzz::oracle::Broken;
use annals_fuzz::real::watch::Watched;

use super::{count, seed};

/// What was seen of one workload.
#[derive(Debug, Default)]
pub struct Seen {
    /// What was recorded, in words.
    pub recorded: String,
    pub images: u64,
    /// How many events had been promised, on the image with the most of them.
    pub promised: u64,
    /// How many events were found, on all images.
    pub found: u64,
}

impl Seen {
    /// One more image, of a log of which so much is known.
    pub fn image(&mut self, watched: &Watched) {
        self.images += 1;
        self.promised = self.promised.max(watched.durable());
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recorded, images, promised, found } = self;
        write!(out, "{recorded}; {images} images, {promised} events promised, {found} found")
    }
}

/// What a look at so many images of a workload of this seed has seen, or the number of the
/// image on which something is broken.
pub type Looked = Result<Seen, (u64, Broken)>;

/// How many images are looked at, and how they are asked for again.
#[derive(Debug, Clone, Copy)]
pub struct Images {
    /// The environment variable that says how many.
    pub variable: &'static str,
    /// How many CI looks at.
    pub otherwise: u64,
    /// How many of one workload at the most.
    pub workload: u64,
    /// The file of the test.
    pub file: &'static str,
}

/// Looks at so many images; on each of them everything must hold. `look` gets how many
/// images of a workload are wanted, and its seed.
pub fn nothing_is_lost(name: &str, images: Images, mut look: impl FnMut(u64, u64) -> Looked) {
    let Images { variable, otherwise, workload, file } = images;
    let (all, mut seed) = (count(variable, otherwise), seed());
    let mut done = 0;
    while done < all {
        let began = Instant::now();
        let wanted = workload.min(all - done);
        let seen = look(wanted, seed).unwrap_or_else(|(image, broken)| {
            panic!(
                "image {image}: {broken}\nagain (its moments may be others): \
                 ANNALS_SEED={seed} {variable}={wanted} \
                 cargo test -p annals-fuzz --test {file} {name}"
            )
        });
        println!("{seen}, in {:.1} s", began.elapsed().as_secs_f64());
        done += wanted;
        seed = Numbers::new(seed).next();
    }
}

/// Looks at images of a child with a planted bug, which have to show it, so many at the
/// most. `look` is as above.
pub fn is_caught(bug: Bug, within: u64, mut look: impl FnMut(u64, u64) -> Looked) {
    let began = Instant::now();
    let (mut images, mut numbers) = (0, Numbers::new(seed()));
    while images < within {
        match look(50, numbers.next()) {
            Ok(seen) => images += seen.images,
            Err((image, broken)) => {
                let (images, took) = (images + image, began.elapsed().as_secs_f64());
                println!("{bug:?}: caught after {images} images in {took:.2} s: {broken:.250}");
                return;
            }
        }
    }
    panic!("{bug:?} was not caught by {images} images");
}
