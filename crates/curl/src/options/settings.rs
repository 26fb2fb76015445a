//! What was set: values by the option's number.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::rc::Rc;
use std::time::Duration;

use super::ids;
use crate::edge::Pointer;

/// What an option was set to.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Number(i64),
    Text(Rc<CStr>),
    Blob(Rc<[u8]>),
    Pointer(Pointer),
}

/// What is asked by, unless CURLOPT_CUSTOMREQUEST says otherwise; each of some options changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    /// With a body of CURLOPT_MIMEPOST.
    Mime,
    /// With a body of CURLOPT_HTTPPOST.
    Form,
}

/// All that was set of a handle. A copy is a handle's duplicate.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    values: BTreeMap<u32, Value>,
    /// How often a value was changed.
    revision: u64,
    pub(crate) method: Method,
    /// Files of cookies to be read when a transfer begins.
    pub(crate) cookie_files: Vec<CString>,
}

impl Settings {
    pub(crate) fn set(&mut self, id: u32, value: Value) {
        self.values.insert(id, value);
        self.revision += 1;
    }

    /// As if it had never been set.
    pub(crate) fn unset(&mut self, id: u32) {
        self.values.remove(&id);
        self.revision += 1;
    }

    /// A number that no two states of the same settings have.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn set_number(&mut self, id: u32, number: i64) {
        self.set(id, Value::Number(number));
    }

    pub(crate) fn set_text(&mut self, id: u32, text: Option<&[u8]>) {
        match text.and_then(|text| CString::new(text).ok()) {
            Some(text) => self.set(id, Value::Text(text.into_boxed_c_str().into())),
            None => self.unset(id),
        }
    }

    /// The number; `otherwise` where none was set.
    pub(crate) fn number(&self, id: u32, otherwise: i64) -> i64 {
        match self.values.get(&id) {
            Some(Value::Number(number)) => *number,
            _ => otherwise,
        }
    }

    /// Whether it was set to something else than 0; `otherwise` where it was not set.
    pub(crate) fn flag(&self, id: u32, otherwise: bool) -> bool {
        self.number(id, otherwise.into()) != 0
    }

    /// The text, with its NUL.
    pub(crate) fn c_text(&self, id: u32) -> Option<Rc<CStr>> {
        match self.values.get(&id) {
            Some(Value::Text(text)) => Some(Rc::clone(text)),
            _ => None,
        }
    }

    /// The bytes of a text.
    pub(crate) fn bytes(&self, id: u32) -> Option<&[u8]> {
        match self.values.get(&id) {
            Some(Value::Text(text)) => Some(text.to_bytes()),
            _ => None,
        }
    }

    /// A text, what is no UTF-8 replaced.
    pub(crate) fn text(&self, id: u32) -> Option<String> {
        self.bytes(id).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    pub(crate) fn blob(&self, id: u32) -> Option<&Rc<[u8]>> {
        match self.values.get(&id) {
            Some(Value::Blob(blob)) => Some(blob),
            _ => None,
        }
    }

    /// The pointer; null where none was set.
    pub(crate) fn pointer(&self, id: u32) -> Pointer {
        match self.values.get(&id) {
            Some(Value::Pointer(pointer)) => *pointer,
            _ => std::ptr::null_mut(),
        }
    }

    /// Whether it was set, be it to null.
    pub(crate) fn is_set(&self, id: u32) -> bool {
        self.values.contains_key(&id)
    }

    /// A time that options in seconds and in milliseconds set, of which the first is kept as the second; none for 0.
    pub(crate) fn milliseconds(&self, id: u32) -> Option<Duration> {
        let number = u64::try_from(self.number(id, 0)).unwrap_or_default();
        (number > 0).then(|| Duration::from_millis(number))
    }

    /// The size of what is sent, by CURLOPT_POSTFIELDSIZE or CURLOPT_INFILESIZE; none if that is not known.
    pub(crate) fn size(&self, id: u32) -> Option<u64> {
        u64::try_from(self.number(id, -1)).ok()
    }

    pub(crate) fn no_body(&self) -> bool {
        self.flag(ids::NOBODY, false)
    }
}
