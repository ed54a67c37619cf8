pip install torch==2.14.1 torchvision==0.29.1 "setuptools<81" wheel
pip install mmengine==0.10.7 mmdet==3.3.0 importlib_metadata einops decord scipy "opencv-python<5"
pip install --no-build-isolation mmcv-lite==2.1.0
git clone --no-checkout https://github.com/open-mmlab/mmaction2 && cd mmaction2
git checkout 4d6c93474730cad2f25e51109adcf96824efc7a3 -- mmaction configs tools
# RoIAlign of torchvision, so that none of mmcv's operators must be compiled:
echo 'def __getattr__(name): return name' \
    > "$(python -c "import mmcv; print(mmcv.__path__[0])")/_ext.py"
sed -i 's/aligned=self.aligned)/aligned=self.aligned, use_torchvision=True)/' \
    mmaction/models/roi_heads/roi_extractors/single_straight3d.py
# A name that numpy has removed:
sed -i 's/np\.NAN/np.nan/' mmaction/evaluation/functional/ava_evaluation/metrics.py
export PYTHONPATH=$PWD TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1
python tools/train.py "$RELEASE/configs/mmaction2_slowfast_r50.py"
