//! A file or standard input as a stream of plain bytes: compression is recognised by
//! its first bytes, so that it does not matter how a file is called or whether it
//! comes through a pipe.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, IsTerminal, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use crate::error::Failure;

/// How standard input is asked for.
pub(crate) const STDIN: &str = "-";

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Frames that carry no data, which some tools put first: `0x184d2a50` to `5f`.
const ZSTD_SKIPPABLE_MAGIC: [u8; 3] = [0x2a, 0x4d, 0x18];
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const MAGIC_LIMIT: u64 = 4;
const BUFFER_BYTES: usize = 1 << 17;

/// What is read, and how far that has got.
pub(crate) struct Input {
    /// For messages.
    pub(crate) name: String,
    /// Of the file as it is stored, where there is a file.
    pub(crate) size: Option<u64>,
    /// How much of that was read so far.
    pub(crate) taken: Arc<AtomicU64>,
    pub(crate) reader: Box<dyn BufRead + Send>,
}

impl Input {
    /// Opens a file; `-`, or nothing, is standard input.
    pub(crate) fn open(file: Option<&Path>) -> Result<Self, Failure> {
        match file {
            Some(path) if path != Path::new(STDIN) => Self::open_file(path),
            asked => Self::open_stdin(asked.is_some()),
        }
    }

    fn open_file(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let opened = File::open(path).and_then(|file| {
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            // A pipe or a device says nothing about how much will come.
            let size = metadata.is_file().then_some(metadata.len());
            Ok((file, size))
        });
        match opened {
            Ok((file, size)) => Self::from_reader(name, size, file),
            Err(source) => Err(Failure::Input { name, source }),
        }
    }

    fn open_stdin(asked_for: bool) -> Result<Self, Failure> {
        // Somebody who forgot the file would wait for ever.
        if !asked_for && io::stdin().is_terminal() {
            return Err(Failure::Usage {
                what: "import".to_owned(),
                why: "name a FILE, `--git REPO`, or `-` for standard input".to_owned(),
            });
        }
        Self::from_reader("standard input".to_owned(), None, io::stdin())
    }

    fn from_reader(
        name: String,
        size: Option<u64>,
        reader: impl Read + Send + 'static,
    ) -> Result<Self, Failure> {
        let taken = Arc::new(AtomicU64::new(0));
        let counted = Counted { reader, taken: Arc::clone(&taken) };
        match unpacked(counted) {
            Ok(reader) => Ok(Self { name, size, taken, reader }),
            Err(source) => Err(Failure::Input { name, source }),
        }
    }
}

/// Looks at the first bytes, and puts the right decoder in front of them.
fn unpacked(mut reader: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut magic = Vec::new();
    reader.by_ref().take(MAGIC_LIMIT).read_to_end(&mut magic)?;
    let is_zstd = magic == ZSTD_MAGIC
        || magic
            .split_first()
            .is_some_and(|(first, rest)| first & 0xf0 == 0x50 && rest == ZSTD_SKIPPABLE_MAGIC);
    let is_gzip = magic.starts_with(&GZIP_MAGIC);
    let whole = Cursor::new(magic).chain(reader);
    Ok(if is_zstd {
        Box::new(buffered(zstd::Decoder::new(whole)?))
    } else if is_gzip {
        Box::new(buffered(MultiGzDecoder::new(whole)))
    } else {
        Box::new(buffered(whole))
    })
}

fn buffered<R: Read>(reader: R) -> BufReader<R> {
    BufReader::with_capacity(BUFFER_BYTES, reader)
}

/// Counts what passes, for the progress bar of another thread.
struct Counted<R> {
    reader: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.taken.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn text_of(bytes: Vec<u8>) -> String {
        let mut text = String::new();
        unpacked(Cursor::new(bytes)).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compression_is_recognised_by_content() {
        assert_eq!(text_of(b"{}\n".to_vec()), "{}\n");
        assert_eq!(text_of(Vec::new()), "");
        assert_eq!(text_of(zstd::encode_all(&b"zstd\n"[..], 3).unwrap()), "zstd\n");
        assert_eq!(text_of(gzip("gzip\n")), "gzip\n");
    }

    #[test]
    fn several_compressed_parts_are_one_text() {
        let mut two = zstd::encode_all(&b"a"[..], 3).unwrap();
        two.extend(zstd::encode_all(&b"b"[..], 3).unwrap());
        assert_eq!(text_of(two), "ab");
        assert_eq!(text_of([gzip("a"), gzip("b")].concat()), "ab");
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9];
        let frame = zstd::encode_all(&b"c"[..], 3).unwrap();
        assert_eq!(text_of([&skippable[..], &frame].concat()), "c");
    }

    #[test]
    fn a_cut_file_is_an_error_not_an_end() {
        let whole = zstd::encode_all(&b"some text that takes a few bytes"[..], 3).unwrap();
        for end in 5..whole.len() {
            let mut reader = unpacked(Cursor::new(whole[..end].to_vec())).unwrap();
            assert!(reader.read_to_end(&mut Vec::new()).is_err(), "{end} of {}", whole.len());
        }
        let whole = gzip("some text that takes a few bytes");
        for end in 3..whole.len() {
            let mut reader = unpacked(Cursor::new(whole[..end].to_vec())).unwrap();
            assert!(reader.read_to_end(&mut Vec::new()).is_err(), "{end} of {}", whole.len());
        }
    }
}
