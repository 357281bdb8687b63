//! What bytes are that are no JSON text: the few formats that end up in a topic by mistake.

/// A format that a value has instead of JSON text, told by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForeignFormat {
    /// A zero byte and the number of a schema, with which the converters of a schema registry begin:
    /// Avro, Protobuf, or JSON with a schema of its own.
    RegistryPayload,
    /// The output of gzip.
    Gzip,
    /// The output of zstd.
    Zstandard,
    /// A frame of LZ4.
    Lz4,
    /// A framed or Java stream of Snappy.
    Snappy,
    /// Text of sixteen-bit units.
    Utf16,
}

impl ForeignFormat {
    /// The format's name, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::RegistryPayload => "a registry payload",
            Self::Gzip => "gzip",
            Self::Zstandard => "zstd",
            Self::Lz4 => "LZ4",
            Self::Snappy => "Snappy",
            Self::Utf16 => "UTF-16",
        }
    }

    /// What an operator can do about it.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::RegistryPayload => {
                "set the connector's converters to org.apache.kafka.connect.json.JsonConverter: the \
                 value looks like a registry payload, which is Avro, Protobuf or a registry's JSON"
            }
            Self::Gzip | Self::Zstandard | Self::Lz4 | Self::Snappy => {
                "compress with the producer's compression.type, which Kafka undoes by itself, instead \
                 of compressing each value"
            }
            Self::Utf16 => "write the values as UTF-8, as Kafka Connect's JsonConverter does",
        }
    }

    /// The format of bytes that have turned out not to be JSON text.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'{', 0, ..] | [0, b'{', 0, ..] => {
                Some(Self::Utf16)
            }
            [0, _, _, _, _, ..] => Some(Self::RegistryPayload),
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstandard),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            [0xff, 0x06, 0, 0, b's', b'N', ..] | [0x82, b'S', b'N', b'A', b'P', ..] => {
                Some(Self::Snappy)
            }
            _ => None,
        }
    }
}
