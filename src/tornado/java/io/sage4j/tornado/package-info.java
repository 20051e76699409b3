/** What needs an installed TornadoVM: sage4j's native kernels as tasks of a task graph. Compiled by the profile {@code tornado}. */
package io.sage4j.tornado;
