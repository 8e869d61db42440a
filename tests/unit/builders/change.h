// SPDX-License-Identifier: Apache-2.0
// Changes a value that is shared: what else shares it keeps the old one.
#pragma once

#include <memory>
#include <utility>

namespace mtlswatch {

template <typename T>
T& change(std::shared_ptr<const T>& shared) {
  auto own = shared ? std::make_shared<T>(*shared) : std::make_shared<T>();
  T& value = *own;
  shared = std::move(own);
  return value;
}

}  // namespace mtlswatch
