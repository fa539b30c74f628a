//! Numbered reasons: the enum and its mapping to numbers, made from one table, so that they cannot
//! part ways.

/// Makes the code enum and its number mapping.
macro_rules! codes {
    (
        $(#[$outer:meta])*
        $codes:ident { $($(#[$doc:meta])* $number:literal => $name:ident,)* }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "u16", into = "u16")]
        pub enum $codes {
            $($(#[$doc])* $name,)*
            /// A code from a newer version.
            Other(u16),
        }

        impl From<$codes> for u16 {
            fn from(code: $codes) -> Self {
                match code {
                    $($codes::$name => $number,)*
                    $codes::Other(number) => number,
                }
            }
        }

        impl From<u16> for $codes {
            fn from(number: u16) -> Self {
                match number {
                    $($number => Self::$name,)*
                    other => Self::Other(other),
                }
            }
        }
    };
}

pub(super) use codes;
