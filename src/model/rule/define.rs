//! How a rule is written down: its sentence, its word, what brings it about and what fixes it, in one place.

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, cause $cause:literal, fix $fix:literal $(, $unacceptable:ident)?,)+) => {
        /// What a [`Finding`](super::Finding) is about. The words are stable: monitoring and
        /// scripts may match on them, and one is never given a second meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $($(#[doc = $doc])+ $variant,)+ }

        impl Rule {
            /// Every rule, in the order of the documentation.
            pub const ALL: &'static [Rule] = &[$(Rule::$variant,)+];

            /// The stable word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Rule::$variant => $word,)+ }
            }

            /// One sentence on what must be so.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Rule::$variant => concat!($($doc,)+).trim_ascii(),)+ }
            }

            /// What brings it about that it is not so, in general; a finding knows better.
            #[must_use]
            pub fn cause(self) -> &'static str {
                match self { $(Rule::$variant => $cause,)+ }
            }

            /// What fixes it, in general; a finding knows better.
            #[must_use]
            pub fn fix(self) -> Message {
                let words = match self { $(Rule::$variant => $fix,)+ };
                words.message()
            }

            /// Whether a person may accept its findings: not those of somebody who gets in or is locked out, of
            /// a daemon that is down or not verified, of files that it does not serve, and of an old state.
            #[must_use]
            pub fn is_acceptable(self) -> bool {
                let marks: &[&str] = match self { $(Rule::$variant => &[$(stringify!($unacceptable))?],)+ };
                marks.is_empty()
            }
        }
    };
}

pub(super) use rules;
