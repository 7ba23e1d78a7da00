//! Which server has which slot of a cluster.

use redis::Value;

use crate::config::redis::Address;

/// How many slots a cluster has.
pub(super) const SLOTS: usize = 16384;

/// The slot of a key: CRC16 of what is between the first `{` and the `}` that follows, or of all of it.
pub(super) fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|&byte| byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|&byte| byte == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    crc16(tag.unwrap_or(key)) % 16384
}

/// CRC-16/XMODEM, as the cluster specification says.
fn crc16(bytes: &[u8]) -> u16 {
    const TABLE: [u16; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            #[expect(clippy::cast_possible_truncation, reason = "index < 256")]
            let mut crc = (index as u16) << 8;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 0x8000 == 0 {
                    crc << 1
                } else {
                    crc << 1 ^ 0x1021
                };
                bit += 1;
            }
            table[index] = crc;
            index += 1;
        }
        table
    };
    bytes.iter().fold(0, |crc, &byte| {
        crc << 8 ^ TABLE[usize::from(crc >> 8 ^ u16::from(byte))]
    })
}

/// A run of slots, who has it, and who stands by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) primary: Address,
    pub(super) replicas: Vec<Address>,
}

/// Reads the answer to CLUSTER SLOTS: `[[first, last, [host, port, id, …], replica…]…]`. `None`: it is none.
pub(super) fn read_slots(answer: &Value, said_by: &Address) -> Option<Vec<Range>> {
    let Value::Array(ranges) = answer else {
        return None;
    };
    ranges
        .iter()
        .map(|range| {
            let Value::Array(range) = range else {
                return None;
            };
            let mut servers = range.get(2..)?.iter().map(|s| read_server(s, said_by));
            Some(Range {
                first: slot(range.first()?)?,
                last: slot(range.get(1)?)?,
                primary: servers.next()??,
                // A replica whose address is not known yet is none that could take over.
                replicas: servers.flatten().collect(),
            })
        })
        .collect()
}

fn slot(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number)
            .ok()
            .filter(|slot| usize::from(*slot) < SLOTS),
        _ => None,
    }
}

/// `[host, port, …]`; with a null or empty host it is the one that says it.
fn read_server(server: &Value, said_by: &Address) -> Option<Address> {
    let Value::Array(parts) = server else {
        return None;
    };
    let host = match parts.first()? {
        Value::BulkString(host) => String::from_utf8(host.clone()).ok()?,
        Value::SimpleString(host) => host.clone(),
        Value::Nil => String::new(),
        _ => return None,
    };
    let Value::Int(port) = parts.get(1)? else {
        return None;
    };
    Some(Address {
        host: if host.is_empty() {
            said_by.host.clone()
        } else {
            host
        },
        port: u16::try_from(*port).ok().filter(|port| *port != 0)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        // "123456789" is the specification's test vector; the others are what CLUSTER KEYSLOT answers.
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot_of(b"foo"), 12182);
        assert_eq!(slot_of(b"tenure:{foo}:bar"), 12182);
        assert_eq!(slot_of(b"{}foo"), slot_of(b"{}foo"));
        assert_ne!(slot_of(b"{}foo"), slot_of(b""));
        assert_eq!(slot_of(b"a{foo}{bar}"), 12182);
    }

    #[test]
    fn reads_what_cluster_slots_answers() {
        let here = Address {
            host: "here".to_owned(),
            port: 7000,
        };
        let text = "*2\r\n\
            *4\r\n:0\r\n:8191\r\n*3\r\n$1\r\na\r\n:7001\r\n$2\r\nid\r\n*3\r\n$1\r\nb\r\n:7002\r\n$2\r\nid\r\n\
            *3\r\n:8192\r\n:16383\r\n*3\r\n$0\r\n\r\n:7000\r\n$2\r\nid\r\n";
        let answer = redis::parse_redis_value(text.as_bytes()).unwrap();
        let ranges = read_slots(&answer, &here).unwrap();
        assert_eq!(ranges.len(), 2);
        assert_eq!((ranges[0].first, ranges[0].last), (0, 8191));
        assert_eq!(ranges[0].primary.to_string(), "a:7001");
        assert_eq!(ranges[0].replicas[0].to_string(), "b:7002");
        assert_eq!(ranges[1].primary, here);
        assert_eq!(read_slots(&Value::Okay, &here), None);
        let wrong = redis::parse_redis_value(b"*1\r\n*2\r\n:0\r\n:16384\r\n").unwrap();
        assert_eq!(read_slots(&wrong, &here), None);
    }
}
