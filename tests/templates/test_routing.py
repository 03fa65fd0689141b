"""Requests reach the route that API Gateway would choose."""

import unittest

from routing import DEFAULT, chosen

ROUTES = {
    route: "function"
    for route in [
        ("ANY", "/users"),
        ("ANY", "/users/"),
        ("ANY", "/users/{proxy+}"),
        ("GET", "/users/{id}"),
        ("ANY", "/users/{id}"),
        ("ANY", "/users/me"),
        ("ANY", "/rooms/{id}/messages/{proxy+}"),
        ("ANY", "/rooms/{proxy+}"),
        DEFAULT,
    ]
}


class Routing(unittest.TestCase):
    def assert_chosen(self, method: str, path: str, *expected: object) -> None:
        self.assertEqual(chosen(ROUTES, method, path), list(expected))

    def test_what_is_spelt_out_beats_a_variable_and_that_a_greedy_one(self) -> None:
        self.assert_chosen("GET", "/users/me", ("ANY", "/users/me"))
        self.assert_chosen("PUT", "/users/7", ("ANY", "/users/{id}"))
        self.assert_chosen("GET", "/users/7/friends", ("ANY", "/users/{proxy+}"))

    def test_the_method_itself_beats_any_method(self) -> None:
        self.assert_chosen("GET", "/users/7", ("GET", "/users/{id}"))

    def test_the_longer_greedy_route_beats_the_shorter(self) -> None:
        self.assert_chosen("GET", "/rooms/1/messages/2", ("ANY", "/rooms/{id}/messages/{proxy+}"))
        self.assert_chosen("GET", "/rooms/1/messages", ("ANY", "/rooms/{proxy+}"))

    def test_a_greedy_route_does_not_take_the_empty_remainder(self) -> None:
        self.assert_chosen("GET", "/rooms/", DEFAULT)
        self.assert_chosen("GET", "/users/", ("ANY", "/users/"))

    def test_what_no_route_is_for_goes_to_the_default_one_or_nowhere(self) -> None:
        self.assert_chosen("GET", "/elsewhere", DEFAULT)
        self.assertEqual(chosen({("ANY", "/users"): "function"}, "GET", "/elsewhere"), [])

    def test_two_equally_good_routes_are_both_told(self) -> None:
        routes = {("ANY", "/a/{id}"): "one", ("ANY", "/a/{name}"): "other"}
        self.assertEqual(len(chosen(routes, "GET", "/a/1")), 2)


if __name__ == "__main__":
    unittest.main()
