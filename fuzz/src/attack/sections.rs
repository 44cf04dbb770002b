//! A binary module in parts that can be exchanged, whether it is valid or not.

/// The largest number of bytes of a LEB128 that a decoder should look at.
const LONGEST: usize = 10;

/// An unsigned LEB128 at the beginning of these bytes, and how many of them it takes.
pub fn read(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (n, &byte) in bytes.iter().take(LONGEST).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * n as u32)?;
        if byte < 0x80 {
            return Some((value, n + 1));
        }
    }
    None
}

/// Appends a number in as many bytes as it needs, and `padding` more.
pub fn write(mut value: u64, padding: usize, out: &mut Vec<u8>) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            let padded = if padding > 0 { 0x80 } else { 0 };
            out.push(byte | padded);
            break;
        }
        out.push(byte | 0x80);
    }
    for left in (0..padding).rev() {
        out.push(if left > 0 { 0x80 } else { 0 });
    }
}

/// A section: its number, and what stands behind its length.
#[derive(Clone, Debug)]
pub struct Section {
    /// 0 for custom ones.
    pub id: u8,
    /// Its contents.
    pub body: Vec<u8>,
}

/// A module's sections, as far as it has any.
#[derive(Clone, Debug)]
pub struct Sections {
    /// Magic and version.
    pub head: Vec<u8>,
    /// In order.
    pub all: Vec<Section>,
    /// What is behind the last whole one.
    pub rest: Vec<u8>,
}

/// The number of the code section.
pub const CODE: u8 = 10;

impl Sections {
    /// Cuts a module up.
    pub fn of(bytes: &[u8]) -> Sections {
        let (head, mut rest) = bytes.split_at(bytes.len().min(8));
        let mut all = Vec::new();
        while let Some((&id, behind)) = rest.split_first()
            && let Some((len, n)) = read(behind)
            && let Some(body) = behind.get(n..).and_then(|b| b.get(..usize::try_from(len).ok()?))
        {
            all.push(Section { id, body: body.to_vec() });
            rest = &behind[n + body.len()..];
        }
        Sections { head: head.to_vec(), all, rest: rest.to_vec() }
    }

    /// Puts it together again, with right lengths.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.head.clone();
        for section in &self.all {
            out.push(section.id);
            write(section.body.len() as u64, 0, &mut out);
            out.extend(&section.body);
        }
        out.extend(&self.rest);
        out
    }
}

/// The bodies of a code section; `None` if it is no such thing.
pub fn bodies(section: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (count, n) = read(section)?;
    let mut rest = &section[n..];
    let mut all = Vec::new();
    for _ in 0..count {
        let (len, n) = read(rest)?;
        let body = rest.get(n..)?.get(..usize::try_from(len).ok()?)?;
        all.push(body.to_vec());
        rest = &rest[n + body.len()..];
    }
    Some(all)
}

/// A code section of these bodies.
pub fn code(bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    write(bodies.len() as u64, 0, &mut out);
    for body in bodies {
        write(body.len() as u64, 0, &mut out);
        out.extend(body);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_what_its_parts_are() {
        let module = wat::parse_str("(module (memory 1) (func (export \"f\")) (data (i32.const 0) \"a\"))").unwrap();
        let mut sections = Sections::of(&module);
        assert!(sections.rest.is_empty() && sections.all.len() == 6);
        let of_code = sections.all.iter_mut().find(|s| s.id == CODE).unwrap();
        of_code.body = code(&bodies(&of_code.body).unwrap());
        assert_eq!(sections.bytes(), module);
    }

    #[test]
    fn numbers_are_read_as_they_were_written() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX >> 1] {
            for padding in 0..2 {
                let mut out = Vec::new();
                write(value, padding, &mut out);
                assert_eq!(read(&out), Some((value, out.len())));
            }
        }
    }
}
