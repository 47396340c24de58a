//! The memory of a process, as root sees it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use memchr::memmem;

const PAGE_BYTES: u64 = 4 * 1024;
/// How much is read at once, in pages.
const STEP_PAGES: u64 = 256;

/// A mapping of a process.
#[derive(Clone, Debug)]
pub struct Mapping {
    start: u64,
    end: u64,
    /// What it is, as the kernel tells: the access, and a name.
    pub told: String,
    /// Its flags (proc(5), `VmFlags`).
    pub flags: Vec<String>,
}

/// Something that was found.
#[derive(Debug)]
pub struct Found {
    pub mapping: Mapping,
    /// What was looked for, by its place in the list.
    pub needle: usize,
    /// What stands around it.
    pub around: String,
}

/// The memory of a process that is stopped by nobody: what changes while it is read is read as it is then.
pub struct Memory {
    bytes: File,
    pages: File,
    pub mappings: Vec<Mapping>,
}

impl Memory {
    /// Opens the memory of a process; `None` where not even root may.
    pub fn open(process: u32) -> Option<Self> {
        let memory = File::open(format!("/proc/{process}/mem")).ok()?;
        let pages = File::open(format!("/proc/{process}/pagemap")).ok()?;
        let mut told = String::new();
        let mut file = File::open(format!("/proc/{process}/smaps")).ok()?;
        file.read_to_string(&mut told).ok()?;
        Some(Self {
            bytes: memory,
            pages,
            mappings: mappings(&told),
        })
    }

    /// Finds each place where one of these stands.
    pub fn find(&mut self, needles: &[Vec<u8>]) -> Vec<Found> {
        let longest = needles.iter().map(Vec::len).max().unwrap();
        let finders: Vec<_> = needles.iter().map(memmem::Finder::new).collect();
        let mut found = Vec::new();
        for mapping in self.mappings.clone() {
            let mut tail: Vec<u8> = Vec::new();
            let mut start = mapping.start;
            while start < mapping.end {
                let end = mapping.end.min(start + STEP_PAGES * PAGE_BYTES);
                let bytes = [tail, self.read(start, end)].concat();
                for (needle, finder) in finders.iter().enumerate() {
                    found.extend(finder.find_iter(&bytes).map(|at| {
                        let from = at.saturating_sub(64);
                        let to = bytes.len().min(at + 128);
                        Found {
                            mapping: mapping.clone(),
                            needle,
                            around: bytes[from..to].escape_ascii().to_string(),
                        }
                    }));
                }
                tail = bytes[bytes.len() - bytes.len().min(longest - 1)..].to_vec();
                start = end;
            }
        }
        found
    }

    /// Reads what there is. Pages that were never used, and pages that cannot be read, are zeros.
    fn read(&mut self, start: u64, end: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        let mut entries = vec![0; bytes.len() / 4096 * 8];
        let place = SeekFrom::Start(start / PAGE_BYTES * 8);
        self.pages.seek(place).unwrap();
        if self.pages.read_exact(&mut entries).is_err() {
            return bytes;
        }
        let chunks = bytes.chunks_mut(4096).zip(entries.chunks(8)).enumerate();
        for (number, (page, entry)) in chunks {
            // Present, or swapped out.
            if entry[7] & 0xc0 != 0 {
                let at = start + u64::try_from(number).unwrap() * PAGE_BYTES;
                let _unreadable = self.bytes.read_exact_at(page, at);
            }
        }
        bytes
    }
}

fn mappings(smaps: &str) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in smaps.lines() {
        let range = line
            .split_once(' ')
            .and_then(|(range, rest)| Some((range.split_once('-')?, rest)));
        let numbers = range.and_then(|((start, end), rest)| {
            let start = u64::from_str_radix(start, 16).ok()?;
            Some((start, u64::from_str_radix(end, 16).ok()?, rest))
        });
        if let Some((start, end, told)) = numbers {
            mappings.push(Mapping {
                start,
                end,
                told: told.to_owned(),
                flags: Vec::new(),
            });
        } else if let Some(flags) = line.strip_prefix("VmFlags:") {
            let flags = flags.split_whitespace().map(str::to_owned);
            mappings.last_mut().unwrap().flags = flags.collect();
        }
    }
    mappings.retain(|mapping| mapping.told.starts_with('r'));
    mappings
}
