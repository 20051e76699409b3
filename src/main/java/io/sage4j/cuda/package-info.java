/**
 * The CUDA driver API by {@code java.lang.foreign}: {@link io.sage4j.cuda.DriverSearch} finds the library,
 * {@link io.sage4j.cuda.CudaDriver} lists the {@link io.sage4j.cuda.CudaDevice devices}, and a
 * {@link io.sage4j.cuda.CudaContext} makes everything else: streams, events, memory, modules, graphs.
 *
 * <p>Every handle is closed by its owner; closing twice is harmless, use after close is refused, and a context closes
 * what was made in it and is still open. Every call is checked: an error is a {@link io.sage4j.SageException} that names
 * the call, its cause a {@link io.sage4j.cuda.CudaException}. A call makes its context current on its thread and puts back
 * the one that was, so other users of CUDA in this process notice nothing. A handle must not be closed while another
 * thread uses it; else all may be used from any thread.
 */
package io.sage4j.cuda;
