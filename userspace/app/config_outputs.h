// SPDX-License-Identifier: Apache-2.0
// Reader of one output of the configuration: its type decides which keys there are.
#pragma once

#include "userspace/app/yaml_reader.h"
#include "userspace/model/config.h"

namespace mtlswatch {

Status read_output(const YamlNode& node, OutputConfig& output);

}  // namespace mtlswatch
