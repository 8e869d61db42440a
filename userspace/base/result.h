// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value, or one sentence that says what failed, on what, and why. No exception leaves a function of ours.
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <variant>

namespace mtlswatch {

/// Why something failed, for a human: "open /etc/x: Permission denied". Callers prepend context on the way up.
struct Error {
  std::string message;

  /// The same error seen from one level up: "context: message".
  Error in(const std::string& context) const { return Error{context + ": " + message}; }
};

/// Error from errno: "what: strerror(error_number)".
inline Error system_error(const std::string& what, int error_number) {
  return Error{what + ": " + std::strerror(error_number)};
}

/// Either a T or an Error. Test it, then dereference it.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() { return std::get<0>(state_); }
  const T& operator*() const { return std::get<0>(state_); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value.
struct Done {};
using Status = Result<Done>;

}  // namespace mtlswatch
