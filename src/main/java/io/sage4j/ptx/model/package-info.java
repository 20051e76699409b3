/**
 * How fast a kernel could be on a GPU that is not at hand: its inner loop counted, over what the GPU does in a cycle.
 */
package io.sage4j.ptx.model;
