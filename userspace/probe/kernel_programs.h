// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "userspace/probe/kernel_features.h"

struct mtlswatch_bpf;

namespace mtlswatch {

/// Between open and load: leaves out the programs of the ways that are not taken.
void configure_programs(mtlswatch_bpf* skeleton, const KernelFeatures& features);

}  // namespace mtlswatch
