pip install numpy
git clone --no-checkout https://github.com/activitynet/ActivityNet && cd ActivityNet
git checkout 82304fa9f4a7219421df13dae6347a445c4cf5bc -- \
    Evaluation/ava Evaluation/get_ava_performance.py
# Names that numpy has removed:
sed -i 's/np\.bool\b/bool/; s/np\.float\b/float/g' Evaluation/ava/metrics.py
cd Evaluation
PYTHONPATH=.:ava python -O get_ava_performance.py -d "$RESULTS" \
    -l "$RELEASE/annotations/ava_action_list_for_activitynet.pbtxt" \
    -g "$RELEASE/annotations/ava_val_activitynet.csv"
