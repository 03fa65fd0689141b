"""What is read out of the sources is what stands there."""

import re
import unittest

import sources
from stacks import ROOT

CONFIG = """
impl Aws {
    fn from_env() -> Self {
        required("AWS_REGION")?; // required("NOT_THIS")
        required("KEY")
    }
}
impl Mail {
    pub fn from_env() -> Self {
        let from = required("FROM")?;
        let by = optional("BY").map(Self::other);
        Ok(Self { from, url: public_url()?, aws: by.then(Aws::from_env) })
    }
    fn other() {
        optional("OTHER");
    }
}
pub fn public_url() -> String {
    required("URL")
}
pub fn unrelated() -> String {
    required("UNRELATED")
}
"""


class Sources(unittest.TestCase):
    def test_settings_are_followed_through_what_calls_what(self) -> None:
        readers = sources.config_readers(CONFIG)
        required, optional = sources.settings_of(readers, {"Mail::from_env"})
        self.assertEqual(required, {"FROM", "URL", "KEY"})
        self.assertEqual(optional, {"BY", "OTHER"})

    def test_every_setting_of_the_library_is_read_by_some_function(self) -> None:
        source = sources.text("shared/src/config.rs").partition("#[cfg(test)]\nmod tests")[0]
        source = source.partition("fn test_stores")[0]
        known = {name for _, name in sources.SETTING.findall(sources.without_comments(source))} - sources.OF_LAMBDA
        read = set().union(*(one.required | one.optional for one in sources.functions().values()))
        self.assertEqual(known - read, set())

    def test_the_library_reads_settings_only_where_the_table_says(self) -> None:
        listed = {
            *sources.OF_TELEMETRY,
            *sources.OF_APP,
            *(call for calls in sources.OF_NEED.values() for call in calls),
        }
        for path in sorted(ROOT.glob("shared/src/**/*.rs")):
            source = path.read_text(encoding="utf-8").partition("#[cfg(test)]\nmod tests")[0]
            if path.name in ("config.rs", "testing.rs", "tests.rs"):
                continue
            readers = sources.config_readers(sources.text("shared/src/config.rs"))
            calls = {call for call in sources.config_calls(source) if call in readers}
            asked = {call for call in calls if any(sources.settings_of(readers, {call}))}
            self.assertLessEqual(asked, listed, f"{path.relative_to(ROOT)} reads settings")

    def test_every_need_is_in_the_table(self) -> None:
        enum = re.search(r"pub enum Need \{(.*?)\n\}", sources.text("shared/src/app.rs"), re.DOTALL)
        assert enum
        needs = set(re.findall(r"^    (\w+),", enum.group(1), re.MULTILINE))
        self.assertEqual(needs, set(sources.OF_NEED))

    def test_every_throttle_is_asked_by_somebody(self) -> None:
        asked = set().union(*(one.throttles for one in sources.functions().values()))
        known = set(re.findall(r'"(THROTTLE_[A-Z]+)"', sources.text("shared/src/config.rs")))
        self.assertEqual(asked, known)

    def test_throttles_asked_in_the_library_are_in_the_table(self) -> None:
        asked = set()
        for path in ROOT.glob("shared/src/**/*.rs"):
            if path.name != "tests.rs":
                source = sources.without_comments(path.read_text(encoding="utf-8"))
                asked |= set(re.findall(r"\bthrottles\s*\.\s*(\w+)", source))
        self.assertEqual(asked, set(sources.THROTTLES_OF_DOMAINS))

    def test_every_operation_of_the_document_stands_in_one_functions_sources(self) -> None:
        self.assertEqual(set(sources.operations()), sources.documented())


if __name__ == "__main__":
    unittest.main()
