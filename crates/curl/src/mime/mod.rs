//! Bodies of several parts: `curl_mime` (curl_mime_init(3)) and the older `curl_httppost`.
//!
//! Knows what a part is. How it is set is with `interface`, how it is sent with `reader`.

mod encode;
mod form;
mod interface;
mod reader;

use std::cell::RefCell;
use std::rc::Rc;

pub(crate) use interface::free;
pub(crate) use reader::{Reader, reader};

use crate::edge::Pointer;
use crate::edge::handle::{self, Kind, Own};
use encode::Encoder;

/// What a `curl_mime *` stands for.
pub(crate) struct Mime {
    parts: RefCell<Vec<Rc<Part>>>,
    boundary: String,
}

impl Kind for Mime {
    const MAGIC: usize = 0x0313_e313;
}

/// What a `curl_mimepart *` stands for.
#[derive(Default)]
pub(crate) struct Part {
    own: Own,
    said: RefCell<Said>,
}

impl Kind for Part {
    const MAGIC: usize = 0x9a27_9a27;
}

/// What was said of a part.
#[derive(Clone, Default)]
struct Said {
    name: Option<Vec<u8>>,
    file_name: Option<Vec<u8>>,
    content_type: Option<Vec<u8>>,
    encoder: Option<Encoder>,
    headers: Vec<Vec<u8>>,
    content: Content,
}

/// What a part consists of.
#[derive(Clone, Default)]
enum Content {
    #[default]
    Nothing,
    Bytes(Vec<u8>),
    File(String),
    /// Of the program's; `size` is negative if it is not known.
    Callback {
        size: i64,
        read: Pointer,
        seek: Pointer,
        free: Pointer,
        data: Pointer,
    },
    Parts(Rc<Mime>),
}

impl Mime {
    fn new() -> Mime {
        Mime { parts: RefCell::default(), boundary: boundary() }
    }

    fn add(&self) -> Rc<Part> {
        let part = Rc::new(Part::default());
        self.parts.borrow_mut().push(Rc::clone(&part));
        part
    }

    /// Another one that says the same; programs have no handles of its parts.
    fn twin(&self) -> Rc<Mime> {
        let twin = Mime::new();
        for part in self.parts.borrow().iter() {
            let mut said = part.said.borrow().clone();
            if let Content::Parts(inner) = &said.content {
                said.content = Content::Parts(inner.twin());
            }
            *twin.add().said.borrow_mut() = said;
        }
        Rc::new(twin)
    }
}

/// A copy of the program's mime, for a handle that is a copy, which frees it by [`free`]; `None` where this is no mime.
pub(crate) fn duplicate(mime: Pointer) -> Option<Pointer> {
    handle::find::<Mime>(mime).map(|mime| handle::issue(mime.twin()))
}

/// Whether this is a mime, and has not been freed.
pub(crate) fn is_there(mime: Pointer) -> bool {
    handle::find::<Mime>(mime).is_some()
}

/// A line that no content has, as good as sure.
fn boundary() -> String {
    let seed = ringdove::sys::random::seed().unwrap_or_default();
    let random: String = seed.iter().take(11).map(|byte| format!("{byte:02x}")).collect();
    format!("------------------------{random}")
}
